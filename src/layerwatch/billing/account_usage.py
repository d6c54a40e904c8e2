"""What an account has used of the current month, what that costs, and where the month is heading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from layerwatch.billing.contracts import book_for
from layerwatch.billing.metering import TEST_CALLS_A_DAY, billable_calls, test_calls
from layerwatch.billing.month import Month
from layerwatch.billing.pricebook import PriceBooks, Tier
from layerwatch.keys import Caller

MIN_PROJECTION_BASIS = timedelta(days=1)
"""Projections assume that at least this much of the month has elapsed: one busy hour is not a trend."""


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """An account's month so far. Months and days are UTC; amounts are whole micro-dollars.

    calls: successful calls of production keys.
    free_calls: how many calls of a month cost nothing; None: all of them.
    tier_number, tier: of the next call; the number counts from 1.
    projected_calls, projected_micro_dollars: at the month's end, at the rate of the month so far.
    test_calls_today, test_calls_left_today: of the account's test keys.
    """

    month: Month
    calls: int
    free_calls: int | None
    free_only: bool
    tier_number: int
    tier: Tier
    micro_dollars: int
    projected_calls: int
    projected_micro_dollars: int
    test_calls_today: int
    test_calls_left_today: int

    @property
    def free_calls_left(self) -> int | None:
        """Calls of this month that still cost nothing; None: all of them."""
        return None if self.free_calls is None else max(0, self.free_calls - self.calls)


def account_usage(session: Session, caller: Caller, at: datetime, books: PriceBooks) -> AccountUsage:
    """The usage of a caller's account in the month of `at`. Raises PriceBookError."""
    month = Month.of(at)
    book = book_for(session, caller.account_id, caller.price_book, month, books)
    calls = billable_calls(session, caller.account_id, month)
    projected = projected_calls(calls, month, at)
    if caller.spend_limit is not None and (affordable := book.calls_within(caller.spend_limit)) is not None:
        projected = max(calls, min(projected, affordable))
    if caller.free_only and book.free_calls is not None:
        projected = max(calls, min(projected, book.free_calls))  # later calls are refused
    number, tier = book.tier_of(calls + 1)
    tested = test_calls(session, caller.account_id, at)
    return AccountUsage(
        month=month,
        calls=calls,
        free_calls=book.free_calls,
        free_only=caller.free_only,
        tier_number=number,
        tier=tier,
        micro_dollars=book.cost(calls),
        projected_calls=projected,
        projected_micro_dollars=book.cost(projected),
        test_calls_today=tested,
        test_calls_left_today=max(0, TEST_CALLS_A_DAY - tested),
    )


def projected_calls(calls: int, month: Month, at: datetime) -> int:
    """Calls at the month's end, at the rate of the month so far."""
    whole = month.end - month.start
    elapsed = max(at - month.start, MIN_PROJECTION_BASIS)
    return max(calls, round(calls * (whole / elapsed)))
