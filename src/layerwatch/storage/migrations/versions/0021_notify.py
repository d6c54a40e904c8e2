"""Notification channels and their delivery log; what was found of prints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0021"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "notify_channels",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("account_id", RowId, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("address", sa.String(500), nullable=False),
        sa.Column("events", sa.String(300), nullable=False),
        sa.Column("secret", sa.String(100)),
        sa.Column("old_secret", sa.String(100)),
        sa.Column("old_secret_until", sa.BigInteger),
        sa.Column("legacy_signature", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("paused_at", sa.BigInteger),
    )
    op.create_index("ix_notify_channels_account_id", "notify_channels", ["account_id"])
    op.create_table(
        "notify_deliveries",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("channel_id", RowId, sa.ForeignKey("notify_channels.id"), nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("delivered_at", sa.BigInteger),
        sa.Column("tried_at", sa.BigInteger),
        sa.Column("status", sa.BigInteger),
        sa.Column("error", sa.String(200)),
        sa.Column("ms", sa.BigInteger),
        sa.UniqueConstraint("channel_id", "event_id"),
    )
    op.create_index("ix_notify_deliveries_due_at", "notify_deliveries", ["due_at"])
    op.create_index("ix_notify_deliveries_created_at", "notify_deliveries", ["created_at"])
    op.create_table(
        "print_watch",
        sa.Column("context_id", sa.String(64), primary_key=True),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("inspected_at", sa.BigInteger, nullable=False),
        sa.Column("unseen_since", sa.BigInteger),
        sa.Column("unseen_reported", sa.Boolean, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("print_watch")
    op.drop_table("notify_deliveries")
    op.drop_table("notify_channels")
