"""All SQL of notification channels and deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from layerwatch.notify.models import ChannelRow, DeliveryRow


class Due(NamedTuple):
    """A delivery whose next attempt may begin."""

    id: int
    channel_id: int


def get_channel(session: Session, channel_id: int) -> ChannelRow:
    """A channel that is known to exist."""
    return session.get_one(ChannelRow, channel_id)


def channel_or_none(session: Session, channel_id: int) -> ChannelRow | None:
    """A channel by its number."""
    return session.get(ChannelRow, channel_id)


def add_channel(session: Session, **values: Any) -> ChannelRow:
    """Add a channel."""
    channel = ChannelRow(**values)
    session.add(channel)
    session.flush()
    return channel


def channels_for(session: Session, account_id: int, event: str) -> list[ChannelRow]:
    """The account's channels that get events of this kind now."""
    found = session.scalars(
        select(ChannelRow)
        .where(ChannelRow.account_id == account_id, ChannelRow.paused_at.is_(None))
        .order_by(ChannelRow.id)
    )
    return [channel for channel in found if event in channel.events.split()]


def channels_of(session: Session, account_id: int) -> list[ChannelRow]:
    """All channels of an account, oldest first."""
    wanted = select(ChannelRow).where(ChannelRow.account_id == account_id).order_by(ChannelRow.id)
    return list(session.scalars(wanted))


def subscribed_accounts(session: Session, *events: str) -> list[int]:
    """The accounts with a channel that gets at least one of these kinds of events."""
    found = session.execute(
        select(ChannelRow.account_id, ChannelRow.events)
        .where(ChannelRow.paused_at.is_(None))
        .order_by(ChannelRow.account_id)
    )
    return sorted({row.account_id for row in found if not set(events).isdisjoint(row.events.split())})


def add_deliveries(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Add deliveries; those whose channel got the event before are left out."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    session.execute(insert(DeliveryRow).on_conflict_do_nothing(), list(rows))


def due(session: Session, now: datetime, limit: int) -> list[Due]:
    """The deliveries whose next attempt may begin, the longest waiting first."""
    found = session.execute(
        select(DeliveryRow.id, DeliveryRow.channel_id)
        .where(DeliveryRow.due_at <= now)
        .order_by(DeliveryRow.due_at, DeliveryRow.id)
        .limit(limit)
    )
    return [Due(*row) for row in found]


def take(session: Session, delivery_id: int, now: datetime, lease: timedelta) -> DeliveryRow | None:
    """Begin an attempt under a lease. None if another node has the delivery, or finished it."""
    taken = session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id == delivery_id, DeliveryRow.due_at <= now)
        .values(due_at=now + lease, attempts=DeliveryRow.attempts + 1)
        .execution_options(synchronize_session=False)
    )
    if cast(Any, taken).rowcount == 0:
        return None
    return session.get(DeliveryRow, delivery_id, populate_existing=True)


def finish(session: Session, delivery: DeliveryRow, **values: Any) -> None:
    """Record how an attempt ended, unless another one has begun since."""
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id == delivery.id, DeliveryRow.attempts == delivery.attempts)
        .values(**values)
    )


def delivery_or_none(session: Session, delivery_id: int) -> DeliveryRow | None:
    """A delivery by its number."""
    return session.get(DeliveryRow, delivery_id)


def log_of(session: Session, channel_id: int, limit: int) -> list[DeliveryRow]:
    """A channel's newest deliveries."""
    wanted = select(DeliveryRow).where(DeliveryRow.channel_id == channel_id)
    return list(session.scalars(wanted.order_by(DeliveryRow.id.desc()).limit(limit)))


def newest_of_each(session: Session, channel_ids: Sequence[int]) -> dict[int, DeliveryRow]:
    """The last delivery of each channel that was tried."""
    newest = (
        select(func.max(DeliveryRow.id))
        .where(DeliveryRow.channel_id.in_(channel_ids), DeliveryRow.tried_at.is_not(None))
        .group_by(DeliveryRow.channel_id)
    )
    found = session.scalars(select(DeliveryRow).where(DeliveryRow.id.in_(newest)))
    return {row.channel_id: row for row in found}


def waiting(session: Session, channel_id: int) -> int:
    """How many deliveries of a channel are not finished."""
    wanted = select(func.count()).where(DeliveryRow.channel_id == channel_id, DeliveryRow.due_at.is_not(None))
    return int(session.scalar(wanted) or 0)


def delete_channel(session: Session, channel: ChannelRow) -> None:
    """Delete a channel and its log."""
    session.execute(delete(DeliveryRow).where(DeliveryRow.channel_id == channel.id))
    session.delete(channel)
    session.flush()


def delete_old(session: Session, before: datetime, limit: int) -> int:
    """Delete at most `limit` deliveries made before a time; how many went."""
    old = (
        select(DeliveryRow.id)
        .where(DeliveryRow.created_at < before)
        .order_by(DeliveryRow.created_at)
        .limit(limit)
    )
    result = session.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(old)))
    return cast(Any, result).rowcount  # type: ignore[no-any-return]


def delete_beyond(session: Session, channel_id: int, keep: int) -> None:
    """Delete all but the newest `keep` deliveries of a channel."""
    beyond = (
        select(DeliveryRow.id)
        .where(DeliveryRow.channel_id == channel_id)
        .order_by(DeliveryRow.id.desc())
        .offset(keep)
        .limit(keep)  # SQLite has no OFFSET without LIMIT
    )
    session.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(session.scalars(beyond).all())))
