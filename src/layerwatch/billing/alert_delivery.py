"""Delivering spend alerts: by mail and to notification channels, apart from one another, once a month."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy.orm import Session

from layerwatch.billing import alerts
from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.contracts import book_for
from layerwatch.billing.metering import billable_calls
from layerwatch.billing.models import SpendAlert
from layerwatch.billing.money import dollars
from layerwatch.billing.month import Month
from layerwatch.billing.pricebook import PriceBookError
from layerwatch.identity.models import Account
from layerwatch.identity.repository import accounts_to_report_limit, get_account, locked_account
from layerwatch.notify import AccountEvent, EventKind, announce
from layerwatch.notify.mail import Mail, Mailer, MailError
from layerwatch.notify.outbox import announce_to
from layerwatch.notify.repository import get_channel
from layerwatch.storage import Claims, Database

log = structlog.get_logger(__name__)

MAILS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Reached:
    """An alert whose amount was reached, and where to send it. spent: micro-dollars."""

    alert_id: int
    account_id: int
    account: str
    month: Month
    threshold: int
    spent: int
    calls: int
    email: str | None
    channel_id: int | None


@dataclass(frozen=True, slots=True)
class AlertDelivery:
    """Delivers what is due. claims: so that each mail is sent by one node."""

    database: Database
    claims: Claims
    terms: Terms

    def mail(self, mailer: Mailer, now: datetime) -> int:
        """Mail every alert that was reached this month and not mailed yet; how many were."""
        month = Month.of(now)

        def due(alert: Reached, session: Session) -> bool:
            return alerts.is_to_mail(session, alert.alert_id, month)

        def done(alert: Reached, session: Session) -> None:
            alerts.mailed(session, alert.alert_id, month)

        def deliver(alert: Reached) -> bool:
            try:
                return self.claims.run(
                    f"alert {alert.alert_id} mail {month}",
                    due=partial(due, alert),
                    work=lambda: mailer.send(_as_mail(alert)),
                    done=partial(done, alert),
                )
            except MailError as error:
                log.warning("alert_not_delivered", account=alert.account_id, why=str(error))
                return False

        with ThreadPoolExecutor(MAILS_AT_ONCE, thread_name_prefix="layerwatch-alert-mail") as threads:
            return sum(threads.map(deliver, self._reached(month, alerts.to_mail)))

    def announce(self, now: datetime) -> int:
        """Notify the channels of every alert that was reached this month, once; how many were."""
        month = Month.of(now)

        def notify(alert: Reached, session: Session) -> bool:
            if not alerts.take_to_announce(session, alert.alert_id, month):
                return False  # another node did
            event = _as_event(alert, now)
            if alert.channel_id is None:
                announce(session, event)
            else:
                announce_to(session, event, [get_channel(session, alert.channel_id)])
            return True

        reached = self._reached(month, alerts.to_announce)
        return sum(self.database.transact(partial(notify, alert)) for alert in reached)

    def announce_limits(self, now: datetime) -> int:
        """Notify the channels of every account that reached its spend limit this month, once; how many."""
        month = Month.of(now)

        def notify(account_id: int, session: Session) -> bool:
            account = locked_account(session, account_id)
            if account is None or account.spend_limit is None:
                return False
            if account.spend_limit_reported == str(month):
                return False
            calls = billable_calls(session, account.id, month)
            book = book_for(session, account.id, account.price_book, month, self.terms.books)
            most = book.calls_within(account.spend_limit)
            if most is None or calls < most:
                return False
            account.spend_limit_reported = str(month)
            announce(session, _limit_event(account, month, calls, now))
            return True

        with self.database.read() as session:
            limited = accounts_to_report_limit(session, str(month))
        reached = 0
        for account_id in limited:
            try:
                reached += self.database.transact(partial(notify, account_id))
            except PriceBookError as error:
                log.error("limit_not_priced", account=account_id, why=str(error))
        return reached

    def _reached(
        self, month: Month, waiting: Callable[[Session, Month], Iterable[SpendAlert]]
    ) -> list[Reached]:
        """The alerts that wait and whose amount was reached in the month."""
        with self.database.read() as session:
            found = [
                _reached(session, alert, get_account(session, alert.account_id), month, self.terms)
                for alert in waiting(session, month)
            ]
        return [alert for alert in found if alert is not None]


def _reached(
    session: Session, alert: SpendAlert, account: Account, month: Month, terms: Terms
) -> Reached | None:
    calls = billable_calls(session, account.id, month)
    try:
        book = book_for(session, account.id, account.price_book, month, terms.books)
    except PriceBookError as error:  # one account's fault must not silence the others' alerts
        log.error("alert_not_priced", account=account.id, why=str(error))
        return None
    spent = book.cost(calls)
    if spent < alert.micro_dollars:
        return None
    return Reached(
        alert_id=alert.id,
        account_id=account.id,
        account=account.name,
        month=month,
        threshold=alert.micro_dollars,
        spent=spent,
        calls=calls,
        email=alert.email,
        channel_id=alert.channel_id,
    )


def _as_event(alert: Reached, now: datetime) -> AccountEvent:
    data = {
        "account": alert.account_id,
        "month": str(alert.month),
        "calls": alert.calls,
        "micro_dollars": alert.spent,
        "threshold_micro_dollars": alert.threshold,
    }
    mail = _as_mail(alert)
    # Receivers of the time before channels read the fields at the top.
    extra = {"event": "spend_alert", **data} if alert.channel_id is not None else {}
    return AccountEvent(EventKind.SPEND, alert.account_id, now, mail.subject, mail.text, data, extra)


def _limit_event(account: Account, month: Month, calls: int, now: datetime) -> AccountEvent:
    limit = account.spend_limit or 0
    return AccountEvent(
        EventKind.SPEND,
        account.id,
        now,
        f"Layerwatch: spend limit of {dollars(limit)} reached in {month}",
        f"{account.name} has reached its spend limit of {dollars(limit)} with {calls:,} inspections in"
        f" {month} (UTC).\nFurther Process calls get 429 OE_FREE_USAGE_LIMIT_REACHED until the month ends or"
        " the limit is raised.",
        {
            "account": account.id,
            "month": str(month),
            "calls": calls,
            "limit_micro_dollars": limit,
        },
    )


def _as_mail(alert: Reached) -> Mail:
    text = (
        f"{alert.account} has spent {dollars(alert.spent)} on {alert.calls:,} inspections in"
        f" {alert.month} (UTC),\npast the {dollars(alert.threshold)} that this alert was set to.\n\n"
        "Nothing is stopped. Usage and the switch for free usage only are in the console."
    )
    subject = f"Layerwatch: {dollars(alert.threshold)} reached in {alert.month}"
    return Mail(alert.email or "", subject, text)
