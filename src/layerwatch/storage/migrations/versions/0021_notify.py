"""Notification channels and their delivery log; what was found of prints.

The webhooks of spend alerts become channels. Each alert keeps its webhook: the channel made of it gets this
alert's events only, in the form and with the signature of before, under the same secret.
"""

from __future__ import annotations

import base64

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0021"
down_revision = "0018"

_ALERTS = sa.table(
    "spend_alerts",
    sa.column("id", sa.BigInteger),
    sa.column("account_id", sa.BigInteger),
    sa.column("webhook", sa.String),
    sa.column("webhook_secret", sa.String),
    sa.column("channel_id", sa.BigInteger),
)
_CHANNELS = sa.table(
    "notify_channels",
    sa.column("id", sa.BigInteger),
    sa.column("account_id", sa.BigInteger),
    sa.column("kind", sa.String),
    sa.column("name", sa.String),
    sa.column("address", sa.String),
    sa.column("events", sa.String),
    sa.column("secret", sa.String),
    sa.column("legacy_signature", sa.Boolean),
    sa.column("created_at", sa.BigInteger),
)
_ACCOUNTS = sa.table("accounts", sa.column("id", sa.BigInteger), sa.column("created_at", sa.BigInteger))


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
    _turn_webhooks_into_channels()


def _turn_webhooks_into_channels() -> None:
    op.add_column("spend_alerts", sa.Column("channel_id", RowId))
    database = op.get_bind()
    alerts = database.execute(
        sa.select(
            _ALERTS.c.id,
            _ALERTS.c.account_id,
            _ALERTS.c.webhook,
            _ALERTS.c.webhook_secret,
            _ACCOUNTS.c.created_at,
        )
        .join(_ACCOUNTS, _ACCOUNTS.c.id == _ALERTS.c.account_id)
        .where(_ALERTS.c.webhook.is_not(None))
        .order_by(_ALERTS.c.id)
    ).all()
    for alert in alerts:
        values = {
            "account_id": alert.account_id,
            "kind": "webhook",
            "name": f"Spend alert {alert.id}",
            "address": alert.webhook,
            "events": "",
            "secret": "whsec_" + base64.b64encode((alert.webhook_secret or "").encode()).decode(),
            "legacy_signature": True,
            "created_at": alert.created_at,
        }
        channel = database.scalar(sa.insert(_CHANNELS).values(values).returning(_CHANNELS.c.id))
        database.execute(sa.update(_ALERTS).where(_ALERTS.c.id == alert.id).values(channel_id=channel))
    with op.batch_alter_table("spend_alerts") as table:
        table.drop_column("webhook")
        table.drop_column("webhook_secret")
        table.create_foreign_key("fk_spend_alerts_channel_id", "notify_channels", ["channel_id"], ["id"])


def downgrade() -> None:
    op.add_column("spend_alerts", sa.Column("webhook", sa.String(500)))
    op.add_column("spend_alerts", sa.Column("webhook_secret", sa.String(80)))
    database = op.get_bind()
    channels = database.execute(
        sa.select(_ALERTS.c.id, _CHANNELS.c.address, _CHANNELS.c.secret).join(
            _CHANNELS, _CHANNELS.c.id == _ALERTS.c.channel_id
        )
    ).all()
    for alert, address, secret in channels:
        text = base64.b64decode(secret.removeprefix("whsec_")).decode(errors="replace")[:80]
        database.execute(
            sa.update(_ALERTS).where(_ALERTS.c.id == alert).values(webhook=address, webhook_secret=text)
        )
    with op.batch_alter_table("spend_alerts") as table:
        table.drop_constraint("fk_spend_alerts_channel_id", type_="foreignkey")
        table.drop_column("channel_id")
    op.drop_table("print_watch")
    op.drop_table("notify_deliveries")
    op.drop_table("notify_channels")
