"""Usage reports: how many successful Process calls, when and by which key."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from layerwatch.billing import usage_repository
from layerwatch.billing.month import Month, hour_start
from layerwatch.keys import list_keys


@dataclass(frozen=True, slots=True)
class KeyHour:
    """Calls of one key in the hour that begins at `hour`."""

    hour: datetime
    key_id: int
    key_name: str
    key_shown: str
    test: bool
    calls: int


@dataclass(frozen=True, slots=True)
class Day:
    """Calls of an account in one day (UTC): billable ones, and those of test keys."""

    day: date
    calls: int
    test_calls: int


def hours(session: Session, account_id: int, month: Month) -> Iterator[KeyHour]:
    """The account's hours with usage in a month, in order of time, then key."""
    first, after = month.hours
    keys = {key.id: key for key in list_keys(session, account_id)}
    for hour, key_id, calls in usage_repository.by_hour_and_key(session, account_id, first, after):
        key = keys[key_id]
        shown = f"{key.prefix}…{key.last_four}"
        yield KeyHour(hour_start(hour), key.id, key.name, shown, key.test, calls)


def days(session: Session, account_id: int, month: Month) -> list[Day]:
    """Every day of the month, also those without usage."""
    first, after = month.hours
    totals: dict[tuple[int, bool], int] = {}
    for hour, test, calls in usage_repository.by_hour_and_kind(session, account_id, first, after):
        at = (hour // 24, test)
        totals[at] = totals.get(at, 0) + calls
    return [
        Day(hour_start(day * 24).date(), totals.get((day, False), 0), totals.get((day, True), 0))
        for day in range(first // 24, after // 24)
    ]


def export_csv(session: Session, account_id: int, month: Month) -> str:
    """The month by hour and key, as CSV with a header line; times are UTC."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["hour", "key_id", "key_name", "key", "test", "calls"])
    for row in hours(session, account_id, month):
        name = _harmless(row.key_name)
        hour = row.hour.strftime("%Y-%m-%dT%H:00:00Z")
        writer.writerow([hour, row.key_id, name, row.key_shown, str(row.test).lower(), row.calls])
    return out.getvalue()


def _harmless(text: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
