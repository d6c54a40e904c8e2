"""The ids of units that were booked: every statement on their table is here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from layerwatch.contexts.models import ReplayedUnit


def among(session: Session, units: Collection[str]) -> set[str]:
    """Which of these units were booked before, by their ids."""
    return set(session.scalars(select(ReplayedUnit.id).where(ReplayedUnit.id.in_(units))))


def note(session: Session, units: Iterable[str], now: datetime) -> None:
    """Note units as booked. Raises IntegrityError if one was."""
    rows = [{"id": unit, "replayed_at": now} for unit in units]
    if rows:
        session.execute(insert(ReplayedUnit), rows)


def forget(session: Session, before: datetime, limit: int) -> int:
    """Delete at most `limit` ids of units that were booked before a time; how many."""
    old = select(ReplayedUnit.id).where(ReplayedUnit.replayed_at < before).limit(limit)
    return cast(Any, session.execute(delete(ReplayedUnit).where(ReplayedUnit.id.in_(old)))).rowcount  # type: ignore[no-any-return]
