"""Nodes with their capacity, and regions that drain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("region", sa.String(8), nullable=False),
        sa.Column("url", sa.String(300), nullable=False),
        sa.Column("capacity", sa.Double, nullable=False),
        sa.Column("healthy", sa.Double, nullable=False),
        sa.Column("suspicious", sa.Double, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "draining_regions",
        sa.Column("region", sa.String(8), primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("draining_regions")
    op.drop_table("nodes")
