"""What operators work with: suspended users, notes on accounts, notes on the status page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.add_column("users", sa.Column("suspended_at", sa.BigInteger))
    op.create_table(
        "account_notes",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("account_id", RowId, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String(254), nullable=False),
        sa.Column("text", sa.String(1000), nullable=False),
    )
    op.create_index("ix_account_notes_account_id", "account_notes", ["account_id"])
    op.create_table(
        "status_notes",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("text", sa.String(500), nullable=False),
        sa.Column("ended_at", sa.BigInteger),
    )


def downgrade() -> None:
    op.drop_table("status_notes")
    op.drop_table("account_notes")
    op.drop_column("users", "suspended_at")
