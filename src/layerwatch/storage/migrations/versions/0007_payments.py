"""Payment set-up of accounts, and the provider's events that were taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.batch_alter_table("accounts") as accounts:
        accounts.add_column(sa.Column("payment_ready", sa.Boolean, nullable=False, server_default=sa.false()))
        accounts.add_column(sa.Column("stripe_customer", sa.String(80)))
    op.create_table(
        "payment_events",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("taken_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("payment_events")
    with op.batch_alter_table("accounts") as accounts:
        accounts.drop_column("stripe_customer")
        accounts.drop_column("payment_ready")
