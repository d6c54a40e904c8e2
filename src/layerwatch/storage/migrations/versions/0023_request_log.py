"""The calls of each key: the newest one by one, and counts by the hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0023"
down_revision = "0021"

_COUNTS = ("within_50", "within_100", "within_200", "within_500", "within_1000", "within_2000", "longer")


def upgrade() -> None:
    op.create_table(
        "request_log",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("key_id", RowId, sa.ForeignKey("api_keys.id"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("call", sa.String(20), nullable=False),
        sa.Column("status", sa.BigInteger, nullable=False),
        sa.Column("error", sa.String(60)),
        sa.Column("request_id", sa.String(32), nullable=False),
        sa.Column("ms", sa.BigInteger, nullable=False),
        sa.Column("condition", sa.String(12)),
    )
    op.create_index("ix_request_log_key_id_id", "request_log", ["key_id", "id"])
    op.create_index("ix_request_log_at", "request_log", ["at"])
    op.create_table(
        "key_hours",
        sa.Column("key_id", RowId, sa.ForeignKey("api_keys.id"), primary_key=True, autoincrement=False),
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("outcome", sa.String(60), primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTS),
    )
    op.create_index("ix_key_hours_hour", "key_hours", ["hour"])


def downgrade() -> None:
    op.drop_table("key_hours")
    op.drop_table("request_log")
