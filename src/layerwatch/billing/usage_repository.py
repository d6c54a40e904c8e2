"""Counted calls in the database (`usage_hours`): every statement on the table is here.

Hours are numbered as by `month.hour_of`; a range of them leaves its end out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from layerwatch.billing.models import UsageHour
from layerwatch.billing.month import Month, hour_of
from layerwatch.keys import Caller
from layerwatch.storage import driver_sql

_INTO = (
    "INSERT INTO usage_hours (key_id, hour, slot, account_id, test, calls, last_at)"
    " SELECT ?, ?, ?, ?, ?, ?, ? WHERE {open}"
    " ON CONFLICT (key_id, hour, slot) DO UPDATE SET calls = usage_hours.calls + excluded.calls,"
    " last_at = CASE WHEN usage_hours.last_at < excluded.last_at"
    " THEN excluded.last_at ELSE usage_hours.last_at END"
)
_COUNT = _INTO.format(open="NOT EXISTS (SELECT 1 FROM closings WHERE account_id = ? AND month >= ?)")
_COUNT_LATE = _INTO.format(open="true")


def count(session: Session, caller: Caller, at: datetime, slot: int, calls: int) -> bool:
    """Count calls made at `at`; False, and nothing is counted, if a closing has been made of the month."""
    values = (caller.key_id, hour_of(at), slot, caller.account_id, caller.test, calls, at)
    return bool(driver_sql.execute(session, _COUNT, *values, caller.account_id, str(Month.of(at))))


def count_late(session: Session, caller: Caller, at: datetime, hour: int, slot: int, calls: int) -> None:
    """Count calls made at `at` in another hour than their own."""
    values = (caller.key_id, hour, slot, caller.account_id, caller.test, calls, at)
    driver_sql.execute(session, _COUNT_LATE, *values)


def total(session: Session, account_id: int, first: int, after: int, *, test: bool) -> int:
    """Calls of an account's test or production keys in a range of hours."""
    found = session.scalar(
        select(func.sum(UsageHour.calls)).where(
            UsageHour.account_id == account_id,
            UsageHour.hour >= first,
            UsageHour.hour < after,
            UsageHour.test.is_(test),
        )
    )
    return int(found or 0)


def by_hour_and_key(
    session: Session, account_id: int, first: int, after: int
) -> Sequence[tuple[int, int, int]]:
    """Hour, number of the key, and calls, in order of the first two."""
    rows = session.execute(
        select(UsageHour.hour, UsageHour.key_id, func.sum(UsageHour.calls))
        .where(UsageHour.account_id == account_id, UsageHour.hour >= first, UsageHour.hour < after)
        .group_by(UsageHour.hour, UsageHour.key_id)
        .order_by(UsageHour.hour, UsageHour.key_id)
    )
    return [(hour, key_id, int(calls)) for hour, key_id, calls in rows]


def by_hour_and_kind(
    session: Session, account_id: int, first: int, after: int
) -> Sequence[tuple[int, bool, int]]:
    """Hour, whether the keys are test keys, and calls."""
    rows = session.execute(
        select(UsageHour.hour, UsageHour.test, func.sum(UsageHour.calls))
        .where(UsageHour.account_id == account_id, UsageHour.hour >= first, UsageHour.hour < after)
        .group_by(UsageHour.hour, UsageHour.test)
    )
    return [(hour, bool(test), int(calls)) for hour, test, calls in rows]


def last_used(session: Session, account_id: int) -> dict[int, datetime]:
    """When each key of the account last made a successful Process call; keys without one are left out."""
    rows = session.execute(
        select(UsageHour.key_id, func.max(UsageHour.last_at))
        .where(UsageHour.account_id == account_id)
        .group_by(UsageHour.key_id)
    )
    return {row[0]: row[1] for row in rows}
