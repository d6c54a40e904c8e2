"""Usage by the hour, and price contracts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "usage_hours",
        sa.Column("key_id", RowId, sa.ForeignKey("api_keys.id"), primary_key=True),
        sa.Column("hour", sa.BigInteger, primary_key=True),
        sa.Column("slot", sa.BigInteger, primary_key=True),
        sa.Column("account_id", RowId, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("test", sa.Boolean, nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_usage_hours_account_id_hour", "usage_hours", ["account_id", "hour"])
    op.create_table(
        "contracts",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("account_id", RowId, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("effective", sa.String(7), nullable=False),
        sa.Column("tiers", sa.Text, nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_contracts_account_id", "contracts", ["account_id"])


def downgrade() -> None:
    op.drop_table("contracts")
    op.drop_table("usage_hours")
