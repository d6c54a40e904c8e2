"""The webhooks of spend alerts become notification channels.

Each alert keeps its webhook: the channel made of it gets this alert's events only, in the form and with the
signature of before, under the same secret.
"""

from __future__ import annotations

import base64

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0022"
down_revision = "0021"

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
