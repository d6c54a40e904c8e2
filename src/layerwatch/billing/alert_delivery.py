"""Delivering spend alerts: each by mail and by webhook, apart from one another, once a month."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.contracts import book_for
from layerwatch.billing.metering import billable_calls
from layerwatch.billing.models import SpendAlert
from layerwatch.billing.money import dollars
from layerwatch.billing.month import Month
from layerwatch.billing.pricebook import PriceBookError
from layerwatch.identity.models import Account
from layerwatch.notify import WebhookError, Webhooks
from layerwatch.notify.mail import Mail, Mailer, MailError
from layerwatch.storage import Claims, Database

log = structlog.get_logger(__name__)

WEBHOOKS_AT_ONCE = 32
"""A receiver that does not answer occupies one of them for `outgoing.DEADLINE_S`, later and later again."""

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
    webhook: str | None
    webhook_secret: str | None


@dataclass(frozen=True, slots=True)
class AlertDelivery:
    """Delivers what is due. claims: so that each alert is delivered by one node."""

    database: Database
    claims: Claims
    terms: Terms

    def mail(self, mailer: Mailer, now: datetime) -> int:
        """Mail every alert that was reached this month and not mailed yet; how many were."""
        return self._deliver(
            "mail",
            SpendAlert.email,
            SpendAlert.mailed_month,
            lambda alert: mailer.send(_as_mail(alert)),
            MAILS_AT_ONCE,
            now,
        )

    def post(self, webhooks: Webhooks, now: datetime) -> int:
        """Post every alert with a webhook that was reached this month and not posted yet; how many were."""
        return self._deliver(
            "webhook",
            SpendAlert.webhook,
            SpendAlert.posted_month,
            lambda alert: webhooks.deliver(
                alert.webhook or "", alert.webhook_secret or "", _as_event(alert), now
            ),
            WEBHOOKS_AT_ONCE,
            now,
        )

    def _deliver(
        self,
        channel: str,
        address: InstrumentedAttribute[str | None],
        record: InstrumentedAttribute[str | None],
        send: Callable[[Reached], None],
        at_once: int,
        now: datetime,
    ) -> int:
        month = Month.of(now)
        waiting = (address.is_not(None), or_(record.is_(None), record != str(month)))

        def due(alert: Reached, session: Session) -> bool:
            return (
                session.scalar(select(SpendAlert.id).where(SpendAlert.id == alert.alert_id, *waiting))
                is not None
            )

        def done(alert: Reached, session: Session) -> None:
            here = SpendAlert.id == alert.alert_id
            session.execute(update(SpendAlert).where(here).values({record: str(month)}))

        def deliver(alert: Reached) -> bool:
            try:
                return self.claims.run(
                    f"alert {alert.alert_id} {channel} {month}",
                    due=partial(due, alert),
                    work=partial(send, alert),
                    done=partial(done, alert),
                )
            except (MailError, WebhookError) as error:
                log.warning("alert_not_delivered", account=alert.account_id, by=channel, why=str(error))
                return False

        with self.database.read() as session:
            alerts = session.execute(
                select(SpendAlert, Account)
                .join(Account, Account.id == SpendAlert.account_id)
                .where(*waiting)
                .order_by(SpendAlert.id)
            ).all()
            reached = [_reached(session, alert, account, month, self.terms) for alert, account in alerts]
        with ThreadPoolExecutor(at_once, thread_name_prefix=f"layerwatch-alert-{channel}") as threads:
            return sum(threads.map(deliver, (alert for alert in reached if alert is not None)))


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
        webhook=alert.webhook,
        webhook_secret=alert.webhook_secret,
    )


def _as_event(alert: Reached) -> dict[str, object]:
    return {
        "event": "spend_alert",
        "account": alert.account_id,
        "month": str(alert.month),
        "calls": alert.calls,
        "micro_dollars": alert.spent,
        "threshold_micro_dollars": alert.threshold,
    }


def _as_mail(alert: Reached) -> Mail:
    text = (
        f"{alert.account} has spent {dollars(alert.spent)} on {alert.calls:,} inspections in"
        f" {alert.month} (UTC),\npast the {dollars(alert.threshold)} that this alert was set to.\n\n"
        "Nothing is stopped. Usage and the switch for free usage only are in the console."
    )
    subject = f"Layerwatch: {dollars(alert.threshold)} reached in {alert.month}"
    return Mail(alert.email or "", subject, text)
