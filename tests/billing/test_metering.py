"""Counting inspections and stopping at an allowance."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from layerwatch.billing import (
    TEST_CALLS_A_DAY,
    FreeLimitReached,
    Month,
    PaymentBlocked,
    billable_calls,
    check_allowance,
    count_deferred,
    count_inspection,
)
from layerwatch.billing.models import UsageHour
from layerwatch.billing.month import hour_of
from tests.support.accounts import NOON, make_caller
from tests.support.at_once import at_once
from tests.support.terms import BOOKS

NOVEMBER = Month(2026, 11)


def already_used(database, caller, calls, at=NOON):
    with database.write() as session:
        session.execute(
            insert(UsageHour).values(
                key_id=caller.key_id,
                hour=hour_of(at),
                slot=0,
                account_id=caller.account_id,
                test=caller.test,
                calls=calls,
                last_at=at,
            )
        )


def count(database, caller, at=NOON):
    with database.write() as session:
        count_inspection(session, caller, at, BOOKS)


def test_every_counted_call_is_one_unit(database):
    caller = make_caller(database)
    for second in range(20):
        count(database, caller, NOON + timedelta(seconds=second))
    with database.read() as session:
        assert billable_calls(session, caller.account_id, NOVEMBER) == 20


def test_a_transaction_that_is_undone_counts_nothing(database):
    caller = make_caller(database)
    with pytest.raises(RuntimeError), database.write() as session:
        count_inspection(session, caller, NOON, BOOKS)
        raise RuntimeError("the context's revision had moved")
    with database.read() as session:
        assert billable_calls(session, caller.account_id, NOVEMBER) == 0


def test_concurrent_calls_on_one_key_are_all_counted(database):
    caller = make_caller(database)

    def work():
        for _ in range(25):
            database.transact(count_inspection, caller, NOON, BOOKS)

    at_once(6, work)
    with database.read() as session:
        assert billable_calls(session, caller.account_id, NOVEMBER) == 150


def test_calls_fall_into_the_hour_and_month_in_which_they_were_made(sqlite_database):
    caller = make_caller(sqlite_database)
    last = datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC)
    count(sqlite_database, caller, last)
    count(sqlite_database, caller, last + timedelta(microseconds=1))
    with sqlite_database.read() as session:
        assert billable_calls(session, caller.account_id, NOVEMBER) == 1
        assert billable_calls(session, caller.account_id, NOVEMBER.next) == 1
        assert session.scalars(select(UsageHour.hour).order_by(UsageHour.hour)).all() == [
            hour_of(last),
            hour_of(last) + 1,
        ]


def test_the_last_use_of_a_key_never_goes_back(sqlite_database):
    caller = make_caller(sqlite_database)
    count(sqlite_database, caller, NOON + timedelta(minutes=9))
    count(sqlite_database, caller, NOON)
    with sqlite_database.read() as session:
        assert session.scalars(select(UsageHour.last_at)).one() == NOON + timedelta(minutes=9)


def test_test_keys_are_counted_apart_and_never_billed(database):
    caller = make_caller(database, test=True)
    count(database, caller)
    with database.read() as session:
        assert billable_calls(session, caller.account_id, NOVEMBER) == 0
        assert session.scalars(select(UsageHour.calls)).all() == [1]


def test_the_test_keys_of_an_account_make_500_calls_a_day_together(database):
    """A new key is free, so the limit is not per key."""
    caller = make_caller(database, test=True)
    fresh = make_caller(database, account=caller.account_id, test=True)
    already_used(database, caller, TEST_CALLS_A_DAY - 3)
    already_used(database, fresh, 2)
    count(database, fresh)
    for one in (caller, fresh):
        with database.read() as session, pytest.raises(FreeLimitReached):
            check_allowance(session, one, NOON, BOOKS)
        with pytest.raises(FreeLimitReached):
            count(database, one)


def test_production_calls_use_up_nothing_of_the_test_calls(sqlite_database):
    caller = make_caller(sqlite_database, test=True)
    paying = make_caller(sqlite_database, account=caller.account_id)
    already_used(sqlite_database, paying, 10_000)
    with sqlite_database.read() as session:
        check_allowance(session, caller, NOON, BOOKS)


def test_concurrent_calls_on_new_test_keys_do_not_slip_past_the_limit(database):
    first = make_caller(database, test=True)
    already_used(database, first, TEST_CALLS_A_DAY - 5)
    keys = iter([make_caller(database, account=first.account_id, test=True) for _ in range(12)])
    outcomes = []

    def work():
        caller = next(keys)
        try:
            database.transact(count_inspection, caller, NOON, BOOKS)
            outcomes.append("counted")
        except FreeLimitReached:
            outcomes.append("refused")

    at_once(12, work)
    assert sorted(outcomes) == ["counted"] * 5 + ["refused"] * 7


def test_test_calls_go_on_the_next_day(sqlite_database):
    caller = make_caller(sqlite_database, test=True)
    already_used(sqlite_database, caller, TEST_CALLS_A_DAY - 1)
    with sqlite_database.read() as session:
        check_allowance(session, caller, NOON, BOOKS)
    count(sqlite_database, caller)
    with sqlite_database.read() as session, pytest.raises(FreeLimitReached) as stopped:
        check_allowance(session, caller, NOON, BOOKS)
    assert stopped.value.retry_after == 12 * 3600
    with sqlite_database.read() as session:
        check_allowance(session, caller, NOON + timedelta(hours=12), BOOKS)


def test_free_usage_only_stops_after_exactly_5000_calls(database):
    caller = make_caller(database, free_only=True)
    already_used(database, caller, 4_999)
    with database.read() as session:
        check_allowance(session, caller, NOON, BOOKS)
    count(database, caller)
    with database.read() as session, pytest.raises(FreeLimitReached) as stopped:
        check_allowance(session, caller, NOON, BOOKS)
    assert stopped.value.retry_after == 8 * 86_400 + 12 * 3600
    with database.read() as session:
        check_allowance(session, caller, NOVEMBER.end, BOOKS)


def test_concurrent_calls_do_not_slip_past_the_free_limit(database):
    """All pass the check at the door; only as many as are left are counted."""
    caller = make_caller(database, free_only=True)
    already_used(database, caller, 4_995)
    outcomes = []

    def work():
        try:
            database.transact(count_inspection, caller, NOON, BOOKS)
            outcomes.append("counted")
        except FreeLimitReached:
            outcomes.append("refused")

    at_once(12, work)
    assert sorted(outcomes) == ["counted"] * 5 + ["refused"] * 7
    with database.read() as session:
        assert billable_calls(session, caller.account_id, NOVEMBER) == 5_000


def test_an_account_that_pays_has_no_limit(sqlite_database):
    caller = make_caller(sqlite_database)
    already_used(sqlite_database, caller, 50_000_000)
    with sqlite_database.read() as session:
        check_allowance(session, caller, NOON, BOOKS)
    count(sqlite_database, caller)


def test_a_call_answered_during_an_outage_is_counted_whatever_the_allowance(sqlite_database):
    caller = make_caller(sqlite_database, free_only=True)
    already_used(sqlite_database, caller, 5_000)
    with sqlite_database.write() as session:
        count_deferred(session, caller, NOON, calls=1)
    with sqlite_database.read() as session:
        assert billable_calls(session, caller.account_id, NOVEMBER) == 5_001


def test_an_overdue_balance_stops_process_calls(sqlite_database):
    caller = replace(make_caller(sqlite_database), blocked_payment=True)
    with sqlite_database.read() as session, pytest.raises(PaymentBlocked):
        check_allowance(session, caller, NOON, BOOKS)
