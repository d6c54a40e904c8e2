"""Tables whose rows expire, in partitions by day of expiry: a day that is over is dropped, not deleted.

PostgreSQL only; in SQLite each of them is one plain table. A partition `contexts_until_20261206` holds what
expires on the day before that date (UTC) and is dropped when the date has come; `contexts_before_20261206`
holds all that expires earlier, from the time before there were partitions. `contexts_rest`, the default
partition, takes what no other is there for, so that an insert never fails because nobody had made room.

Locks: making a partition holds up nothing but the default partition. Dropping one needs the whole table for
some milliseconds; it waits for that no longer than `LOCK_MS`, because live calls queue behind it, and is
tried again later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from sqlalchemy import column, delete, select, table, text, tuple_
from sqlalchemy.orm import Session

from layerwatch.storage.base import UtcTime, is_sqlite

PARTITIONS_AHEAD_DAYS = 3
"""Days for which partitions are made in advance. Every node checks every few minutes."""

LOCK_MS = 200

REST = "_rest"

_KEY = 0x70617274  # 'part': one node at a time
_NAME = re.compile(r"_(until|before)_(\d{8})$")
_DAY = timedelta(days=1)
_COLUMN = "expires_at"
"""UtcTime, microseconds, in the primary key."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition. end: the date before which everything in it expires."""

    name: str
    end: date
    whole_past: bool
    """It holds all that expires before `end`, not one day."""


def partitions(session: Session, table: str) -> list[Partition]:
    """The table's partitions but for the default one, in order of time. SQLite has none."""
    if is_sqlite(session):
        return []
    names = session.scalars(
        text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = to_regclass(:table)"
        ),
        {"table": table},
    )
    found = []
    for name in names:
        match = _NAME.search(name)
        if match:
            end = datetime.strptime(match[2], "%Y%m%d").replace(tzinfo=UTC).date()
            found.append(Partition(name, end, match[1] == "before"))
    return sorted(found, key=lambda each: each.end)


def make_ahead(session: Session, table: str, lifetime: timedelta, now: datetime) -> int:
    """Make the partitions for rows written in the next `PARTITIONS_AHEAD_DAYS` days. Returns how many.

    lifetime: from writing a row to its expiry. A day of which the default partition holds rows stays there.
    Raises StorageUnavailable (through the transaction) when a lock is not to be had at once.
    """
    if is_sqlite(session) or not _alone(session):
        return 0
    there = partitions(session, table)
    made = 0
    for day in _days(now + lifetime, PARTITIONS_AHEAD_DAYS):
        end = day + _DAY
        if any(each.end == end or (each.whole_past and each.end >= end) for each in there):
            continue
        made += _make(session, table, day)
    return made


def drop_next_expired(session: Session, table: str, now: datetime) -> str | None:
    """Drop the oldest partition in which everything has expired; its name, None if there is none.

    One a transaction: its lock is held until the end. Raises as `make_ahead` does.
    """
    if is_sqlite(session) or not _alone(session):
        return None
    today = now.astimezone(UTC).date()
    for each in partitions(session, table):
        if each.end <= today:
            session.execute(text(f'DROP TABLE "{each.name}"'))
            return each.name
    return None


def deleted_by_row(session: Session, table: str) -> str:
    """The name of the table whose expired rows have to be deleted one by one."""
    return table if is_sqlite(session) else table + REST


def delete_expired(session: Session, name: str, keys: Sequence[str], now: datetime, limit: int) -> int:
    """Delete at most `limit` expired rows of a table that are in no day's partition; how many.

    keys: the columns that tell its rows apart.
    """
    rows = table(deleted_by_row(session, name), column(_COLUMN, UtcTime), *(column(key) for key in keys))
    named = [rows.c[key] for key in keys]
    # In order, so that it is read from the index: a scan would read past all that was just deleted.
    old = select(*named).where(rows.c[_COLUMN] <= now).order_by(rows.c[_COLUMN]).limit(limit)
    result = session.execute(delete(rows).where(tuple_(*named).in_(old)))
    return cast(Any, result).rowcount  # type: ignore[no-any-return]


def _make(session: Session, table: str, day: date) -> int:
    first, after = _micros(day), _micros(day + _DAY)
    name = f"{table}_until_{day + _DAY:%Y%m%d}"
    # Nobody may write such a row into the default partition between our look and the attachment.
    session.execute(text(f'LOCK TABLE "{table}{REST}" IN ACCESS EXCLUSIVE MODE'))
    if session.scalar(
        text(
            f'SELECT EXISTS (SELECT 1 FROM "{table}{REST}" WHERE {_COLUMN} >= :first AND {_COLUMN} < :after)'
        ),
        {"first": first, "after": after},
    ):
        return 0
    # Made apart and then attached: CREATE … PARTITION OF would lock the whole table.
    session.execute(text(f'CREATE TABLE "{name}" (LIKE "{table}" INCLUDING DEFAULTS INCLUDING CONSTRAINTS)'))
    session.execute(
        text(f'ALTER TABLE "{table}" ATTACH PARTITION "{name}" FOR VALUES FROM ({first}) TO ({after})')
    )
    return 1


def _alone(session: Session) -> bool:
    """Whether no other node is at it; until the transaction's end none will be."""
    session.execute(text(f"SET LOCAL lock_timeout = {LOCK_MS}"))
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _KEY}))


def _days(first: datetime, more: int) -> Iterator[date]:
    day = first.astimezone(UTC).date()
    for number in range(more + 1):
        yield day + number * _DAY


def _micros(day: date) -> int:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    micros = UtcTime().process_bind_param(at, None)  # type: ignore[arg-type]
    assert micros is not None
    return micros
