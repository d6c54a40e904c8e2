"""Inspections that were answered while the database was away, so that none is booked twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "replayed_units",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("replayed_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_replayed_units_replayed_at", "replayed_units", ["replayed_at"])


def downgrade() -> None:
    op.drop_table("replayed_units")
