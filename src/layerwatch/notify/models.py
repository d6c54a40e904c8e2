"""Tables of notification channels and of what was sent to them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.core.text import MAX_NAME_LENGTH
from layerwatch.storage import Base, RowId

MAX_ADDRESS_LENGTH = 500


class ChannelRow(Base):
    """Where an account's events are sent."""

    __tablename__ = "notify_channels"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    """`channels.ChannelKind`."""
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    address: Mapped[str] = mapped_column(String(MAX_ADDRESS_LENGTH))
    """A URL or an e-mail address. Apprise URLs and many webhooks have a secret inside."""
    events: Mapped[str] = mapped_column(String(300))
    """The kinds of events it gets, separated by spaces."""
    secret: Mapped[str | None] = mapped_column(String(100))
    """A webhook's signing secret, `whsec_` and base64."""
    old_secret: Mapped[str | None] = mapped_column(String(100))
    """The one before, which signs as well until `old_secret_until`."""
    old_secret_until: Mapped[datetime | None]
    legacy_signature: Mapped[bool]
    """Also send the header Layerwatch-Signature: for webhooks of spend alerts older than channels."""
    created_at: Mapped[datetime]
    paused_at: Mapped[datetime | None]
    """Since when it gets nothing."""


class DeliveryRow(Base):
    """One event on its way to one channel, and afterwards its entry in the delivery log."""

    __tablename__ = "notify_deliveries"
    __table_args__ = (
        UniqueConstraint("channel_id", "event_id"),
        Index(None, "due_at"),
        Index(None, "created_at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("notify_channels.id"))
    event_id: Mapped[str] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(40))
    """`events.EventKind`."""
    title: Mapped[str] = mapped_column(String(300))
    text: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    """The JSON that a webhook posts."""
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    """When the next attempt may begin; None once it was delivered or given up."""
    attempts: Mapped[int]
    delivered_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    """When the last attempt ended."""
    status: Mapped[int | None]
    """The HTTP status of the last attempt's answer, if there was one."""
    error: Mapped[str | None] = mapped_column(String(200))
    """Why the last attempt failed; None if it did not."""
    ms: Mapped[int | None]
    """How long the last attempt took."""
