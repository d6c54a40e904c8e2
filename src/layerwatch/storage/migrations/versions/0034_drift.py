"""Counts of scores, conditions and alarms, by day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0030"


def upgrade() -> None:
    op.create_table(
        "drift_counts",
        sa.Column("day", sa.BigInteger, nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("camera_kind", sa.String(24), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("printer", sa.String(120), nullable=False),
        sa.Column("pictures", sa.BigInteger, nullable=False),
        sa.Column("alarms", sa.BigInteger, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(
            "day", "model", "camera_kind", "account_id", "printer", name="pk_drift_counts"
        ),
    )


def downgrade() -> None:
    op.drop_table("drift_counts")
