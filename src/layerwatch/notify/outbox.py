"""Announcing an event: one row a subscribed channel, in the transaction of what happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from layerwatch.notify import repository
from layerwatch.notify.events import AccountEvent
from layerwatch.notify.models import ChannelRow

LOG_LENGTH = 500
"""Deliveries kept for a channel, those that wait among them; the oldest go first."""

_MAX_TITLE = 300
_MAX_TEXT = 4000


def announce(session: Session, event: AccountEvent) -> int:
    """Put an event on its way to every channel of its account that gets its kind; to how many.

    An event whose id a channel has in its log is not sent to it again.
    """
    return announce_to(session, event, repository.channels_for(session, event.account_id, event.kind.value))


def announce_to(session: Session, event: AccountEvent, channels: Sequence[ChannelRow]) -> int:
    """Put an event on its way to these channels; to how many."""
    now = datetime.now(UTC)  # deliveries run in real time, whatever the speed of the server's clock
    if channels:
        repository.add_deliveries(
            session,
            [
                {
                    "channel_id": channel.id,
                    "event_id": event.id,
                    "event": event.kind.value,
                    "title": event.title[:_MAX_TITLE],
                    "text": event.text[:_MAX_TEXT],
                    "body": event.body(),
                    "created_at": now,
                    "due_at": now,
                    "attempts": 0,
                    "delivered_at": None,
                    "tried_at": None,
                    "status": None,
                    "error": None,
                    "ms": None,
                }
                for channel in channels
            ],
        )
        for channel in channels:
            repository.delete_beyond(session, channel.id, LOG_LENGTH)
    return len(channels)
