"""Feedback and its review."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("context_id", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("picture", sa.String(64)),
        sa.Column("failure_probability", sa.Double),
        sa.Column("model_version", sa.String(64)),
        sa.Column("label", sa.String(16)),
        sa.Column("failure_type", sa.String(24)),
        sa.Column("reviewed_by", sa.String(120)),
        sa.Column("reviewed_at", sa.BigInteger),
    )
    op.create_index("ix_feedback_account_id", "feedback", ["account_id"])
    op.create_index("ix_feedback_label", "feedback", ["label"])


def downgrade() -> None:
    op.drop_table("feedback")
