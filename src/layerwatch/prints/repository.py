"""All SQL of prints: labels, outcome, course, kept pictures, events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from layerwatch.prints.labels import PrintLabels
from layerwatch.prints.models import KeptPictureRow, PrintEventRow, PrintRow, TimelineRow
from layerwatch.prints.moments import Moment
from layerwatch.storage import driver_sql

MAX_PRINTS_PER_ACCOUNT = 5000
"""Prints kept for an account; the oldest go first. A farm of 100 printers has as many in 25 days with two
prints a day each."""

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
_PICTURE = (
    "INSERT INTO print_pictures (context_id, second, account_id, kept_at, size) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (context_id, second) DO UPDATE SET size = excluded.size"
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


def add_picture(
    session: Session, context_id: str, second: int, account_id: int, kept_at: datetime, size: int
) -> None:
    """Note that a copy of a picture is kept."""
    driver_sql.execute(session, _PICTURE, context_id, second, account_id, kept_at, size)


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


def kept_seconds(session: Session, context_id: str) -> list[int]:
    """The seconds of a print of which a picture is kept, ascending."""
    return list(
        session.scalars(
            select(KeptPictureRow.second)
            .where(KeptPictureRow.context_id == context_id)
            .order_by(KeptPictureRow.second)
        )
    )


def kept_bytes(session: Session, *, account_id: int | None = None, context_id: str | None = None) -> int:
    """Bytes of the pictures that are kept for an account, or of one print."""
    total = select(func.coalesce(func.sum(KeptPictureRow.size), 0))
    if account_id is not None:
        total = total.where(KeptPictureRow.account_id == account_id)
    if context_id is not None:
        total = total.where(KeptPictureRow.context_id == context_id)
    return int(session.scalar(total) or 0)


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


def delete_prints(session: Session, context_ids: Collection[str]) -> int:
    """Delete prints with all rows of theirs but those of pictures, which go first; how many."""
    for table in (TimelineRow, PrintEventRow):
        session.execute(delete(table).where(table.context_id.in_(context_ids)))
    result = session.execute(delete(PrintRow).where(PrintRow.context_id.in_(context_ids)))
    return cast(Any, result).rowcount  # type: ignore[no-any-return]
