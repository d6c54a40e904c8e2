"""What an account sees of its own month."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from layerwatch.billing import PriceBook, count_deferred
from layerwatch.billing.account_usage import AccountUsage, account_usage
from layerwatch.keys import Caller
from layerwatch.storage import Database
from tests.support.accounts import make_caller
from tests.support.terms import BOOKS

HALF_TIME = datetime(2026, 11, 16, tzinfo=UTC)


def use(database: Database, caller: Caller, calls: int, at: datetime = HALF_TIME) -> None:
    with database.write() as session:
        count_deferred(session, caller, at, calls=calls)


def usage(database: Database, caller: Caller, at: datetime = HALF_TIME) -> AccountUsage:
    with database.read() as session:
        return account_usage(session, caller, at, BOOKS)


def test_a_month_in_the_second_tier(database: Database) -> None:
    caller = make_caller(database)
    use(database, caller, 6200)
    seen = usage(database, caller)
    assert (seen.calls, seen.free_calls, seen.free_calls_left) == (6200, 5000, 0)
    assert (seen.tier_number, seen.tier.micro_dollars, seen.micro_dollars) == (2, 400, 480_000)
    assert (seen.projected_calls, seen.projected_micro_dollars) == (12_400, 2_960_000)


def test_only_this_month_of_this_account_counts_and_test_keys_apart(database: Database) -> None:
    caller = make_caller(database)
    tester = make_caller(database, account=caller.account_id, test=True)
    use(database, caller, 7, HALF_TIME - timedelta(days=20))
    use(database, make_caller(database), 50)
    use(database, tester, 30, HALF_TIME - timedelta(days=1))
    use(database, tester, 20)
    use(database, caller, 3)
    for asking in (caller, tester):
        seen = usage(database, asking)
        assert (seen.calls, seen.test_calls_today, seen.test_calls_left_today) == (3, 20, 480)


@pytest.mark.parametrize(("calls", "tier"), [(0, 1), (4999, 1), (5000, 2), (1_000_000, 3), (20_000_000, 4)])
def test_the_tier_is_the_next_calls(calls: int, tier: int, sqlite_database: Database) -> None:
    caller = make_caller(sqlite_database)
    if calls:
        use(sqlite_database, caller, calls)
    assert usage(sqlite_database, caller).tier_number == tier


def test_a_free_account_is_not_projected_beyond_its_allowance(sqlite_database: Database) -> None:
    caller = make_caller(sqlite_database, free_only=True)
    use(sqlite_database, caller, 4000)
    seen = usage(sqlite_database, caller)
    assert (seen.projected_calls, seen.projected_micro_dollars, seen.free_only) == (5000, 0, True)


def test_a_book_without_prices_has_no_allowance(sqlite_database: Database) -> None:
    caller = replace(make_caller(sqlite_database), price_book="local")
    use(sqlite_database, caller, 100_000)
    seen = usage(sqlite_database, caller)
    assert (seen.free_calls, seen.free_calls_left, seen.micro_dollars) == (None, None, 0)
    assert seen.tier.up_to is None


def test_the_first_hour_is_no_trend(sqlite_database: Database) -> None:
    caller = make_caller(sqlite_database)
    first_hour = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)
    use(sqlite_database, caller, 100, first_hour)
    assert usage(sqlite_database, caller, first_hour).projected_calls == 3000


def test_every_call_has_one_tier() -> None:
    book = PriceBook.parse([{"up_to": 2, "micro_dollars": 0}, {"micro_dollars": 5}])
    assert [book.tier_of(call)[0] for call in (1, 2, 3, 10**12)] == [1, 1, 2, 2]
