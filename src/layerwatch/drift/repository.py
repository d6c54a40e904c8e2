"""All SQL of drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, cast

from sqlalchemy import CursorResult, Subquery, and_, delete, func, select
from sqlalchemy.orm import Session

from layerwatch.drift.counts import DriftCounts, Shift
from layerwatch.drift.models import DriftRow
from layerwatch.storage.locks import take_turns

CURRENT_DAYS, REFERENCE_DAYS = 2, 28
"""The current window: today and yesterday. The reference: the days before it."""

LEAST_PICTURES = 200
LEAST_PICTURES_OF_PRINTER = 60
"""In each of both windows, else nothing is said."""

MAX_PRINTERS = 500

_BATCH = 500


class Key(NamedTuple):
    """What is counted together. account_id, printer: 0 and empty for all pictures."""

    model: str
    camera_kind: str
    account_id: int = 0
    printer: str = ""


def day_of(at: datetime) -> int:
    """Days since 1970-01-01, UTC."""
    return int(at.timestamp() // 86_400)


def add(session: Session, day: int, counted: Mapping[Key, DriftCounts]) -> None:
    """Add counts to a day's rows."""
    take_turns(session, "drift counts")
    for key, counts in sorted(counted.items()):
        row = session.get(DriftRow, (day, *key))
        if row is None:
            row = DriftRow(day=day, **key._asdict(), pictures=0, alarms=0, counts=DriftCounts().to_json())
            session.add(row)
        total = DriftCounts.of(row.pictures, row.alarms, row.counts)
        total.merge(counts)
        row.pictures, row.alarms, row.counts = total.pictures, total.alarms, total.to_json()
    session.flush()


def shifts(session: Session, day: int, *, printers: bool) -> list[tuple[Key, Shift]]:
    """Current window against reference, the largest change first: of all pictures, or of each of the
    `MAX_PRINTERS` printers with the most pictures now.

    Only where both windows hold enough pictures.
    """
    wanted = select(DriftRow).where(DriftRow.day > day - CURRENT_DAYS - REFERENCE_DAYS)
    if printers:
        busiest = _busiest(day)
        same = (DriftRow.account_id == busiest.c.account_id, DriftRow.printer == busiest.c.printer)
        wanted = wanted.join(busiest, and_(*same))
    else:
        wanted = wanted.where(DriftRow.account_id == 0)
    windows: dict[Key, tuple[DriftCounts, DriftCounts]] = {}
    for row in session.scalars(wanted).yield_per(_BATCH):
        key = Key(row.model, row.camera_kind, row.account_id, row.printer)
        both = windows.setdefault(key, (DriftCounts(), DriftCounts()))
        both[row.day > day - CURRENT_DAYS].merge(DriftCounts.of(row.pictures, row.alarms, row.counts))
    least = LEAST_PICTURES_OF_PRINTER if printers else LEAST_PICTURES
    found = [
        (key, Shift.between(*both))
        for key, both in windows.items()
        if min(window.pictures for window in both) >= least
    ]
    return sorted(found, key=lambda one: (-one[1].worst, one[0]))


def _busiest(day: int) -> Subquery:
    return (
        select(DriftRow.account_id, DriftRow.printer)
        .where(DriftRow.account_id != 0, DriftRow.day > day - CURRENT_DAYS)
        .group_by(DriftRow.account_id, DriftRow.printer)
        .order_by(func.sum(DriftRow.pictures).desc())
        .limit(MAX_PRINTERS)
        .subquery()
    )


def current(session: Session, day: int) -> Sequence[tuple[Key, DriftCounts]]:
    """The current window of all pictures, by model and kind of camera."""
    wanted = select(DriftRow).where(DriftRow.account_id == 0, DriftRow.day > day - CURRENT_DAYS)
    windows: dict[Key, DriftCounts] = {}
    for row in session.scalars(wanted):
        counts = windows.setdefault(Key(row.model, row.camera_kind), DriftCounts())
        counts.merge(DriftCounts.of(row.pictures, row.alarms, row.counts))
    return sorted(windows.items())


def delete_old(session: Session, day: int) -> int:
    """Delete a batch of rows that no window needs; how many went."""
    old = select(DriftRow.day).where(DriftRow.day <= day - CURRENT_DAYS - REFERENCE_DAYS).distinct().limit(1)
    first = session.scalar(old)
    if first is None:
        return 0
    done = cast("CursorResult[None]", session.execute(delete(DriftRow).where(DriftRow.day == first)))
    return done.rowcount
