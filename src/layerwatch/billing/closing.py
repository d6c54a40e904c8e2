"""Closing months: every open month that is over, oldest first, one account in a transaction.

Calls are not added to a closed month (`metering`). One that was being counted while its month was closed is
found when the next month is closed: with every call up to its end that no earlier closing has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from layerwatch.billing import closing_repository, usage_repository
from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.errors import BillingError, NotPossible
from layerwatch.billing.invoices import draft, issue
from layerwatch.billing.metering import lock_account
from layerwatch.billing.models import Invoice
from layerwatch.billing.money import cents
from layerwatch.billing.month import Month
from layerwatch.billing.pricebook import PriceBookError
from layerwatch.identity.models import Account
from layerwatch.identity.repository import account_births
from layerwatch.notify import AccountEvent, EventKind, announce
from layerwatch.storage import Database, StorageError

log = structlog.get_logger(__name__)

CLOSING_DELAY = timedelta(hours=1)
"""From a month's end until it may be closed: longer than any call or retry that began in it."""


@dataclass(frozen=True, slots=True)
class ClosedMonth:
    """A month of an account that was closed just now. invoice: its number; None: there was nothing to pay."""

    account_id: int
    month: Month
    invoice: str | None


@dataclass(frozen=True, slots=True)
class ClosingReport:
    """What closing came to. failed: accounts that could not be closed, and why."""

    closed: Sequence[ClosedMonth]
    failed: Sequence[tuple[int, str]]

    @property
    def invoices(self) -> list[str]:
        """Numbers of the invoices that were issued."""
        return [one.invoice for one in self.closed if one.invoice is not None]

    @property
    def months(self) -> list[Month]:
        """The months that were closed, for whichever account, in order."""
        return sorted({one.month for one in self.closed})

    def summary(self) -> str:
        """One line for people and the audit log."""
        months = ", ".join(map(str, self.months))
        accounts = len({one.account_id for one in self.closed})
        return f"{months}: {accounts} accounts, {len(self.invoices)} invoices"


def newest_closable(now: datetime) -> Month:
    """The newest month that may be closed at `now`."""
    month = Month.of(now).previous
    return month if now >= month.end + CLOSING_DELAY else month.previous


def close_months(database: Database, through: Month, terms: Terms, now: datetime) -> ClosingReport:
    """Close every open month up to `through` for every account. Safe at the same time on several nodes.

    An account that cannot be closed does not hold up the others. Raises NotPossible if `through` may not be
    closed yet.
    """
    _check_over(through, now)
    closed: list[ClosedMonth] = []
    failed: list[tuple[int, str]] = []
    for account_id in _accounts_with_open_months(database, through):
        try:
            closed += database.transact(close, account_id, through, terms, now)
        except (BillingError, PriceBookError) as error:
            log.error("months_not_closed", account=account_id, through=str(through), why=str(error))
            failed.append((account_id, str(error)))
        except StorageError:
            raise
        except Exception as error:  # a fault of ours with one account must not leave the others unbilled
            log.exception("months_not_closed", account=account_id, through=str(through))
            failed.append((account_id, type(error).__name__))
    return ClosingReport(closed, failed)


def close(
    session: Session, account_id: int, through: Month, terms: Terms, now: datetime
) -> list[ClosedMonth]:
    """Close an account's open months up to `through` and issue their invoices; those closed just now.

    Raises NotPossible until an hour after the month's end, NotFound, PriceBookError.
    """
    _check_over(through, now)
    account = lock_account(session, account_id)
    before = closing_repository.months(session, account_id)
    closed = []
    month = Month.of(account.created_at)
    while month <= through:
        if str(month) not in before:
            closed.append(_close_month(session, account, month, terms, now))
        month = month.next
    return closed


def _check_over(month: Month, now: datetime) -> None:
    if now < month.end + CLOSING_DELAY:
        raise NotPossible(f"{month} can be closed from {month.end + CLOSING_DELAY:%Y-%m-%d %H:%M} UTC on.")


def _accounts_with_open_months(database: Database, through: Month) -> list[int]:
    with database.read() as session:
        born, closed = account_births(session), closing_repository.number_by_account(session, through)
    return [
        account_id
        for account_id, at in born.items()
        if at < through.end and closed.get(account_id, 0) < through.since(Month.of(at)) + 1
    ]


def _close_month(
    session: Session, account: Account, month: Month, terms: Terms, now: datetime
) -> ClosedMonth:
    calls = _unbilled_calls(session, account.id, month)
    invoice = issue(session, account, draft(session, account, month, calls, terms), terms, now)
    invoice_id = None if invoice is None else invoice.id
    closing_repository.add(session, account.id, month, calls, invoice_id, now)
    if invoice is not None:
        announce(session, _issued(invoice, now))
    return ClosedMonth(account.id, month, None if invoice is None else invoice.number)


def _issued(invoice: Invoice, now: datetime) -> AccountEvent:
    data = {
        "number": invoice.number,
        "month": invoice.month,
        "cents": invoice.cents,
        "due_at": f"{invoice.due_at:%Y-%m-%d}",
    }
    return AccountEvent(
        EventKind.INVOICE,
        invoice.account_id,
        now,
        f"Layerwatch: invoice {invoice.number}",
        f"The invoice {invoice.number} for {invoice.month} is {cents(invoice.cents)}, due on"
        f" {invoice.due_at:%Y-%m-%d}.",
        data,
    )


def _unbilled_calls(session: Session, account_id: int, month: Month) -> int:
    """Billable calls up to the month's end that are in no earlier closing."""
    used = usage_repository.total(session, account_id, 0, month.hours[1], test=False)
    unbilled = used - closing_repository.calls_before(session, account_id, month)
    if unbilled < 0:
        log.error("fewer_calls_than_billed", account=account_id, month=str(month), calls=unbilled)
    return max(0, unbilled)
