"""Prints and their courses in the database: every statement on their tables is here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session

from layerwatch.prints import events
from layerwatch.prints.labels import PrintLabels
from layerwatch.prints.models import PrintRow, TimelineRow
from layerwatch.prints.moments import Moment
from layerwatch.storage import driver_sql

MAX_PRINTS_PER_ACCOUNT = 5000
"""Prints kept for an account; the oldest go first. A farm of 100 printers has as many in 25 days with two
prints a day each."""

PRINTERS_AT_ONCE = 500
"""Prints whose printers are read in one statement."""

_SEEN = (
    "INSERT INTO prints (context_id, account_id, opened_at, expires_at, seen_at, pictures, quality, worst,"
    " kind, warned_at, paused_at, progress) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (context_id) DO UPDATE SET expires_at = excluded.expires_at, seen_at = excluded.seen_at,"
    " pictures = prints.pictures + excluded.pictures, quality = excluded.quality,"
    " kind = CASE WHEN prints.worst IS NULL OR excluded.worst < prints.worst"
    " THEN excluded.kind ELSE prints.kind END,"
    " worst = CASE WHEN prints.worst IS NULL OR excluded.worst < prints.worst"
    " THEN excluded.worst ELSE prints.worst END,"
    " warned_at = coalesce(prints.warned_at, excluded.warned_at),"
    " paused_at = coalesce(prints.paused_at, excluded.paused_at),"
    " progress = coalesce(excluded.progress, prints.progress)"
)
_ENTRIES = (
    "INSERT INTO print_timeline (context_id, hour, entries) VALUES (?, ?, ?)"
    " ON CONFLICT (context_id, hour) DO UPDATE SET entries = print_timeline.entries || excluded.entries"
)


class SeenPrint(NamedTuple):
    """What a print's newest pictures add to its row. The last picture's values, but pictures: how many;
    worst, kind: the lowest quality and the kind then; warned_at, paused_at: the first times."""

    context_id: str
    account_id: int
    opened_at: datetime
    expires_at: datetime
    seen_at: datetime
    pictures: int
    quality: int
    worst: int
    kind: str | None
    warned_at: datetime | None
    paused_at: datetime | None
    progress: str | None


def add_labels(
    session: Session,
    context_id: str,
    account_id: int,
    opened_at: datetime,
    expires_at: datetime,
    labels: PrintLabels,
) -> None:
    """Keep the labels of a new print."""
    session.add(
        PrintRow(
            context_id=context_id,
            account_id=account_id,
            opened_at=opened_at,
            expires_at=expires_at,
            **asdict(labels),
        )
    )


def add_seen(session: Session, seen: SeenPrint) -> None:
    """Take a print's newest pictures into its row, made if there is none."""
    driver_sql.execute(session, _SEEN, *seen)


def add_moments(session: Session, context_id: str, hour: int, moments: Sequence[Moment]) -> None:
    """Append moments of one hour to a print's course."""
    driver_sql.execute(session, _ENTRIES, context_id, hour, "".join(moment.pack() for moment in moments))


def printer_of(session: Session, context_id: str) -> str | None:
    """The printer's name of a print, if its client gave one."""
    return session.scalar(select(PrintRow.printer).where(PrintRow.context_id == context_id))


def timeline(session: Session, context_id: str) -> list[Moment]:
    """A print's course, by time."""
    rows = session.execute(
        select(TimelineRow.hour, TimelineRow.entries)
        .where(TimelineRow.context_id == context_id)
        .order_by(TimelineRow.hour)
    )
    return sorted(
        (moment for hour, entries in rows for moment in Moment.unpack(hour, entries)),
        key=lambda moment: moment.second,
    )


def find_print(session: Session, context_id: str) -> PrintRow | None:
    """A print's row; None for one without labels of which no picture was written yet."""
    return session.get(PrintRow, context_id)


def labels_by_print(session: Session, context_ids: Collection[str]) -> dict[str, PrintLabels]:
    """The labels of the prints among these that have a row."""
    if not context_ids:
        return {}
    rows = session.execute(
        select(PrintRow.context_id, PrintRow.name, PrintRow.printer, PrintRow.camera, PrintRow.file).where(
            PrintRow.context_id.in_(context_ids)
        )
    )
    return {row.context_id: PrintLabels(row.name, row.printer, row.camera, row.file) for row in rows}


def search_prints(
    session: Session,
    account_id: int,
    *,
    text: str,
    alarmed: bool | None,
    seen_after: datetime | None,
    offset: int,
    limit: int,
) -> tuple[Sequence[PrintRow], int]:
    """Prints of an account with a picture, the newest first, and how many there are without `limit`.

    text: in any of the labels; empty: whatever they are.  alarmed: with or without a warning or a suggested
    pause; None: both.
    """
    wanted: list[ColumnElement[bool]] = [PrintRow.account_id == account_id, PrintRow.seen_at.is_not(None)]
    if alarmed is not None:
        with_alarm = PrintRow.warned_at.is_not(None) | PrintRow.paused_at.is_not(None)
        wanted.append(with_alarm if alarmed else ~with_alarm)
    if seen_after is not None:
        wanted.append(PrintRow.seen_at > seen_after)
    if text:
        columns = (PrintRow.name, PrintRow.printer, PrintRow.camera, PrintRow.file)
        wanted.append(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    found = session.scalar(select(func.count()).select_from(PrintRow).where(*wanted)) or 0
    newest = select(PrintRow).where(*wanted).order_by(PrintRow.opened_at.desc(), PrintRow.context_id)
    return session.scalars(newest.offset(offset).limit(limit)).all(), found


def expired(session: Session, now: datetime, limit: int) -> list[str]:
    """At most `limit` prints whose time is over, oldest first."""
    return list(
        session.scalars(
            select(PrintRow.context_id)
            .where(PrintRow.expires_at <= now)
            .order_by(PrintRow.expires_at)
            .limit(limit)
        )
    )


def beyond_limit(session: Session, limit: int) -> list[str]:
    """At most `limit` prints of one account beyond its newest `MAX_PRINTS_PER_ACCOUNT`."""
    full = session.scalars(
        select(PrintRow.account_id)
        .group_by(PrintRow.account_id)
        .having(func.count() > MAX_PRINTS_PER_ACCOUNT)
        .limit(1)
    ).first()
    if full is None:
        return []
    return list(
        session.scalars(
            select(PrintRow.context_id)
            .where(PrintRow.account_id == full)
            .order_by(PrintRow.opened_at.desc(), PrintRow.context_id)
            .offset(MAX_PRINTS_PER_ACCOUNT)
            .limit(limit)
        )
    )


def printers_of(session: Session, context_ids: Collection[str]) -> dict[str, str]:
    """The printers of those prints that have one, by context."""
    found: dict[str, str] = {}
    names = list(context_ids)
    for start in range(0, len(names), PRINTERS_AT_ONCE):
        part = names[start : start + PRINTERS_AT_ONCE]
        wanted = select(PrintRow.context_id, PrintRow.printer).where(
            PrintRow.context_id.in_(part), PrintRow.printer.is_not(None)
        )
        found |= {context: printer for context, printer in session.execute(wanted) if printer is not None}
    return found


def delete_prints(session: Session, context_ids: Collection[str]) -> int:
    """Delete prints with all rows of theirs but those of pictures, which go first; how many."""
    events.delete_events(session, context_ids)
    session.execute(delete(TimelineRow).where(TimelineRow.context_id.in_(context_ids)))
    result = session.execute(delete(PrintRow).where(PrintRow.context_id.in_(context_ids)))
    return cast(Any, result).rowcount  # type: ignore[no-any-return]
