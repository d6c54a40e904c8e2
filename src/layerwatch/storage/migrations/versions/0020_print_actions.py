"""Prints whose watcher is connected, what people ask it to do, and levels that they set."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "connected_prints",
        sa.Column("context_id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("can", sa.String(60), nullable=False),
        sa.PrimaryKeyConstraint("context_id", name="pk_connected_prints"),
    )
    op.create_index("ix_connected_prints_account_id", "connected_prints", ["account_id"])
    op.create_index("ix_connected_prints_seen_at", "connected_prints", ["seen_at"])
    op.create_table(
        "print_actions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("context_id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("who", sa.String(254), nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("taken_at", sa.BigInteger, nullable=True),
        sa.Column("ended_at", sa.BigInteger, nullable=True),
        sa.Column("done", sa.Boolean, nullable=True),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_print_actions"),
    )
    op.create_index("ix_print_actions_account_id_asked_at", "print_actions", ["account_id", "asked_at"])
    op.create_index("ix_print_actions_asked_at", "print_actions", ["asked_at"])
    op.add_column("contexts", sa.Column("levels", sa.BigInteger, nullable=True))


def downgrade() -> None:
    op.drop_column("contexts", "levels")
    op.drop_table("print_actions")
    op.drop_table("connected_prints")
