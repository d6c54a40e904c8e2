"""Labels of prints, and what a printer reports of its job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_LABELS = ("name", "printer", "camera", "file")


def upgrade() -> None:
    op.create_table(
        "prints",
        sa.Column("context_id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        *(sa.Column(label, sa.String(120), nullable=True) for label in _LABELS),
        sa.PrimaryKeyConstraint("context_id", name="pk_prints"),
    )
    op.create_index("ix_prints_account_id_opened_at", "prints", ["account_id", "opened_at"])
    op.create_index("ix_prints_expires_at", "prints", ["expires_at"])
    op.add_column("contexts", sa.Column("progress", sa.String(400), nullable=True))


def downgrade() -> None:
    op.drop_column("contexts", "progress")
    op.drop_table("prints")
