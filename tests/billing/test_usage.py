"""Usage reports."""

import csv
import io
from dataclasses import replace
from datetime import timedelta

from layerwatch.billing import Month, count_inspection
from layerwatch.billing.usage import days, export_csv, hours
from layerwatch.billing.usage_repository import last_used
from layerwatch.keys import create_key
from tests.support.accounts import NOON, PEPPER, make_caller
from tests.support.terms import BOOKS

NOVEMBER = Month(2026, 11)


def use(database, caller, times, at=NOON):
    with database.write() as session:
        for _ in range(times):
            count_inspection(session, caller, at, BOOKS)


def test_a_month_by_hour_and_key(database):
    caller = make_caller(database)
    use(database, caller, 3)
    use(database, caller, 2, NOON + timedelta(hours=1))
    use(database, caller, 9, NOON + timedelta(days=30))
    use(database, make_caller(database), 5)
    with database.read() as session:
        rows = list(hours(session, caller.account_id, NOVEMBER))
    assert [(row.hour, row.calls) for row in rows] == [(NOON, 3), (NOON + timedelta(hours=1), 2)]


def test_a_month_by_day_has_every_day_and_keeps_test_calls_apart(database):
    caller = make_caller(database)
    use(database, caller, 4)
    use(database, make_caller(database, account=caller.account_id, test=True), 7)
    with database.read() as session:
        month = days(session, caller.account_id, NOVEMBER)
    assert len(month) == 30
    assert [(day.day.day, day.calls, day.test_calls) for day in month if day.calls] == [(22, 4, 7)]


def test_the_export_adds_up_and_no_name_is_a_formula(sqlite_database):
    caller = make_caller(sqlite_database)
    use(sqlite_database, caller, 4)
    with sqlite_database.write() as session:
        evil = create_key(session, caller.account_id, name="=1+1", pepper=PEPPER, now=NOON).row
        evil_id = evil.id
    use(sqlite_database, replace(caller, key_id=evil_id), 2)
    with sqlite_database.read() as session:
        text = export_csv(session, caller.account_id, NOVEMBER)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(int(row["calls"]) for row in rows) == 6
    assert rows[0]["hour"] == "2026-11-22T12:00:00Z"
    assert [row["key_name"] for row in rows] == ["printer farm", "'=1+1"]


def test_when_each_key_was_last_used(database):
    caller = make_caller(database)
    idle = make_caller(database, account=caller.account_id)
    use(database, caller, 1)
    use(database, caller, 1, NOON + timedelta(minutes=90))
    with database.read() as session:
        assert last_used(session, caller.account_id) == {caller.key_id: NOON + timedelta(minutes=90)}
    assert idle.key_id != caller.key_id
