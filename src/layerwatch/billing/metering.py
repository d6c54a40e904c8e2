"""Counting inspections, and stopping at an allowance.

`count_inspection` runs inside the transaction that stores the print's new state: the answer, the state
and the charge are kept together or not at all.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from math import ceil

from sqlalchemy.orm import Session

from layerwatch.billing import closing_repository, usage_repository
from layerwatch.billing.contracts import book_for
from layerwatch.billing.errors import FreeLimitReached, NotFound, PaymentBlocked
from layerwatch.billing.money import dollars
from layerwatch.billing.month import Month, hour_of
from layerwatch.billing.pricebook import PriceBooks
from layerwatch.identity.models import Account
from layerwatch.identity.repository import locked_account
from layerwatch.keys import Caller
from layerwatch.storage import is_sqlite

TEST_CALLS_A_DAY = 500
"""Successful calls of all test keys of one account in one day (UTC)."""

SLOTS = 8
"""Rows that concurrent calls of one key and hour spread over where writers run side by side."""


def check_allowance(session: Session, caller: Caller, at: datetime, books: PriceBooks) -> None:
    """Refuse a Process call that may not be made, before any work is spent on it.

    Raises PaymentBlocked, or FreeLimitReached with the seconds until the next allowance. Queries the
    database only for test keys and accounts on free usage only.
    """
    check_not_blocked(caller)
    _check_limit(session, caller, at, books, counted=0)


def check_not_blocked(caller: Caller) -> None:
    """The part of `check_allowance` that needs no database. Raises PaymentBlocked."""
    if caller.blocked_payment:
        raise PaymentBlocked("An invoice is overdue. Pay it in the console to go on.")


def count_inspection(session: Session, caller: Caller, at: datetime, books: PriceBooks) -> None:
    """Count one successful Process call made at `at`, in the caller's transaction.

    Raises FreeLimitReached when concurrent calls have used up the allowance meanwhile: the transaction
    must then be undone. A call whose month is closed is counted at the beginning of the first open month.
    """
    limited = is_limited(caller)
    if limited:
        # One at a time per account: the limit is exact.
        lock_account(session, caller.account_id)
    _count(session, caller, at, 1)
    if limited:
        _check_limit(session, caller, at, books, counted=1)


def count_deferred(session: Session, caller: Caller, at: datetime, *, calls: int) -> None:
    """Count calls of one hour that were answered during an outage of the database, the last of them at `at`.

    As `count_inspection`, but whatever the allowance is: they were answered.
    """
    _count(session, caller, at, calls)


def _count(session: Session, caller: Caller, at: datetime, calls: int) -> None:
    slot = 0 if is_sqlite(session) else random.randrange(SLOTS)
    if not usage_repository.count(session, caller, at, slot, calls):
        # A close that has not committed yet is not seen here; the next one then finds what it left.
        lock_account(session, caller.account_id)
        hour = _first_open_month(session, caller.account_id).hours[0]
        usage_repository.count_late(session, caller, at, hour, slot, calls)


def is_limited(caller: Caller) -> bool:
    """Whether `check_allowance` has to query the database."""
    return caller.test or caller.free_only or caller.spend_limit is not None


def _check_limit(session: Session, caller: Caller, at: datetime, books: PriceBooks, *, counted: int) -> None:
    """`counted`: how many of the calls found are the one being made."""
    if caller.test:
        day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if test_calls(session, caller.account_id, at) - counted >= TEST_CALLS_A_DAY:
            raise FreeLimitReached(
                f"The test keys of an account make {TEST_CALLS_A_DAY} calls a day (UTC)."
                " Use a production key, or continue tomorrow.",
                _seconds_until(day + timedelta(days=1), at),
            )
        return
    month = Month.of(at)
    book = book_for(session, caller.account_id, caller.price_book, month, books)
    allowance = book.free_calls if caller.free_only else None
    affordable = None if caller.spend_limit is None else book.calls_within(caller.spend_limit)
    if allowance is None and affordable is None:
        return
    used = billable_calls(session, caller.account_id, month) - counted
    if affordable is not None and used >= affordable:
        raise FreeLimitReached(
            f"The spend limit of {dollars(caller.spend_limit or 0)} that this account has set for a month is"
            f" reached in {month}. Raise it in the console to go on now.",
            _seconds_until(month.end, at),
        )
    if allowance is not None and used >= allowance:
        raise FreeLimitReached(
            f"The {allowance:,} free calls of {month} are used up and this account is on free usage"
            " only. Set up payment in the console to go on now.",
            _seconds_until(month.end, at),
        )


def billable_calls(session: Session, account_id: int, month: Month) -> int:
    """Successful calls of an account's production keys in a month."""
    return usage_repository.total(session, account_id, *month.hours, test=False)


def test_calls(session: Session, account_id: int, at: datetime) -> int:
    """Successful calls of an account's test keys in the day (UTC) of `at`."""
    today = hour_of(at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    return usage_repository.total(session, account_id, today, today + 24, test=True)


def lock_account(session: Session, account_id: int) -> Account:
    """The account, held until the transaction's end. Raises NotFound for an unknown one."""
    account = locked_account(session, account_id)
    if account is None:
        raise NotFound(f"There is no account {account_id}.")
    return account


def _first_open_month(session: Session, account_id: int) -> Month:
    """The month after the latest closed one; the account has one."""
    latest = closing_repository.newest(session, account_id)
    assert latest is not None
    return latest.next


def _seconds_until(moment: datetime, at: datetime) -> int:
    return max(1, ceil((moment - at).total_seconds()))
