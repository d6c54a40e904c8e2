"""The log of a key's calls and their hourly counts in the database: every statement on them is here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from layerwatch.keys.models import KeyOutcomeHour, RequestRow

LATENCY_BOUNDS_MS = (50, 100, 200, 500, 1000, 2000)
"""Upper bounds of the counted latencies; longer ones are counted apart."""

BUCKETS = (*(f"within_{bound}" for bound in LATENCY_BOUNDS_MS), "longer")
"""The columns of the counts by latency, in the order of `LATENCY_BOUNDS_MS`."""

_COUNT = text(
    f"INSERT INTO key_hours (key_id, hour, outcome, {', '.join(BUCKETS)})"
    f" VALUES (:key_id, :hour, :outcome, {', '.join(f':{name}' for name in BUCKETS)})"
    " ON CONFLICT (key_id, hour, outcome) DO UPDATE SET "
    + ", ".join(f"{name} = key_hours.{name} + excluded.{name}" for name in BUCKETS)
)


def add_calls(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Add calls, each with the columns of `RequestRow`."""
    session.execute(insert(RequestRow), list(rows))


def add_counts(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Add to the counts of hours, each with the columns of `KeyOutcomeHour`."""
    session.execute(_COUNT, list(rows))


def trim(session: Session, key_id: int, keep: int) -> None:
    """Delete all but the newest `keep` calls of a key."""
    newest = select(RequestRow.id).where(RequestRow.key_id == key_id).order_by(RequestRow.id.desc())
    last = session.scalar(newest.offset(keep).limit(1))
    if last is not None:
        session.execute(delete(RequestRow).where(RequestRow.key_id == key_id, RequestRow.id <= last))


def delete_calls(session: Session, before: datetime, limit: int) -> int:
    """Delete at most `limit` calls made before a time, the oldest first; how many went."""
    old = select(RequestRow.id).where(RequestRow.at < before).order_by(RequestRow.at).limit(limit)
    result = session.execute(delete(RequestRow).where(RequestRow.id.in_(old)))
    return cast(Any, result).rowcount  # type: ignore[no-any-return]


def delete_counts(session: Session, before_hour: int) -> None:
    """Delete the counts of hours (Unix time / 3600) before this one."""
    session.execute(delete(KeyOutcomeHour).where(KeyOutcomeHour.hour < before_hour))


def counts(session: Session, key_id: int, first: int, after: int) -> Sequence[KeyOutcomeHour]:
    """A key's counts in a range of hours that leaves its end out."""
    return session.scalars(
        select(KeyOutcomeHour).where(
            KeyOutcomeHour.key_id == key_id, KeyOutcomeHour.hour >= first, KeyOutcomeHour.hour < after
        )
    ).all()


def newest_calls(
    session: Session, key_id: int, limit: int, *, errors_only: bool = False, before: int | None = None
) -> Sequence[RequestRow]:
    """A key's newest calls; `before` a row's number, for the next page."""
    wanted = select(RequestRow).where(RequestRow.key_id == key_id)
    if errors_only:
        wanted = wanted.where(RequestRow.error.is_not(None))
    if before is not None:
        wanted = wanted.where(RequestRow.id < before)
    return session.scalars(wanted.order_by(RequestRow.id.desc()).limit(limit)).all()
