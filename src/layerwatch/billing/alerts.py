"""Spend alerts: tell an account once a month when its spending reaches an amount."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.contracts import book_for
from layerwatch.billing.errors import NotFound, NotPossible
from layerwatch.billing.metering import billable_calls
from layerwatch.billing.models import SpendAlert
from layerwatch.billing.money import dollars
from layerwatch.billing.month import Month
from layerwatch.identity.models import Account
from layerwatch.notify import WebhookError, Webhooks
from layerwatch.notify.mail import Mail, Mailer, MailError
from layerwatch.storage import Database

MOST_ALERTS = 20
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Due:
    alert_id: int
    account_id: int
    account: str
    threshold: int
    spent: int
    calls: int
    email: str | None
    webhook: str | None
    webhook_secret: str | None


def add_alert(
    session: Session, account_id: int, micro_dollars: int, *, email: str | None, webhook: str | None
) -> SpendAlert:
    """Tell `email`, `webhook` or both when a month's spending reaches an amount. Raises NotPossible."""
    if micro_dollars <= 0:
        raise NotPossible("A spend alert needs an amount above zero.")
    if not email and not webhook:
        raise NotPossible("A spend alert needs an e-mail address or a webhook.")
    if webhook:
        parts = urlsplit(webhook)
        if parts.scheme not in ("http", "https") or not parts.hostname or len(webhook) > 500:
            raise NotPossible("A webhook is an address that begins with https://.")
    if len(list_alerts(session, account_id)) >= MOST_ALERTS:
        raise NotPossible(f"An account has at most {MOST_ALERTS} spend alerts.")
    alert = SpendAlert(
        account_id=account_id,
        micro_dollars=micro_dollars,
        email=email or None,
        webhook=webhook or None,
        webhook_secret=secrets.token_urlsafe(32) if webhook else None,
        told_month=None,
    )
    session.add(alert)
    session.flush()
    return alert


def list_alerts(session: Session, account_id: int) -> list[SpendAlert]:
    """The account's alerts, by amount."""
    wanted = select(SpendAlert).where(SpendAlert.account_id == account_id)
    return list(session.scalars(wanted.order_by(SpendAlert.micro_dollars, SpendAlert.id)))


def remove_alert(session: Session, account_id: int, alert_id: int) -> None:
    """Remove an alert. Raises NotFound."""
    alert = session.get(SpendAlert, alert_id)
    if alert is None or alert.account_id != account_id:
        raise NotFound("There is no such spend alert.")
    session.delete(alert)


def tell(database: Database, mailer: Mailer, webhooks: Webhooks, terms: Terms, now: datetime) -> int:
    """Tell every alert that has been reached this month and was not told yet; how many were.

    Several nodes may run it at once: each alert is claimed before it is told, and given back when that
    failed, so that the next round tries again.
    """
    month = Month.of(now)
    with database.read() as session:
        due = _reached(session, month, terms)
    told = 0
    for alert in due:
        if not database.transact(lambda session, alert=alert: _claim(session, alert, month)):  # type: ignore[misc]
            continue
        try:
            _send(alert, mailer, webhooks, month, now)
            told += 1
        except (MailError, WebhookError) as error:
            _log.warning("spend alert not delivered", account=alert.account_id, reason=str(error))
            database.transact(lambda session, alert=alert: _give_back(session, alert))  # type: ignore[misc]
    return told


def _reached(session: Session, month: Month, terms: Terms) -> list[_Due]:
    waiting = session.execute(
        select(SpendAlert, Account)
        .join(Account, Account.id == SpendAlert.account_id)
        .where(or_(SpendAlert.told_month.is_(None), SpendAlert.told_month != str(month)))
    ).all()
    due = []
    spending: dict[int, tuple[int, int]] = {}
    for alert, account in waiting:
        if account.id not in spending:
            calls = billable_calls(session, account.id, month)
            book = book_for(session, account.id, account.price_book, month, terms.books)
            spending[account.id] = calls, book.cost(calls)
        calls, spent = spending[account.id]
        if spent >= alert.micro_dollars:
            due.append(
                _Due(
                    alert_id=alert.id,
                    account_id=account.id,
                    account=account.name,
                    threshold=alert.micro_dollars,
                    spent=spent,
                    calls=calls,
                    email=alert.email,
                    webhook=alert.webhook,
                    webhook_secret=alert.webhook_secret,
                )
            )
    return due


def _claim(session: Session, alert: _Due, month: Month) -> bool:
    claimed = session.execute(
        update(SpendAlert)
        .where(
            SpendAlert.id == alert.alert_id,
            or_(SpendAlert.told_month.is_(None), SpendAlert.told_month != str(month)),
        )
        .values(told_month=str(month))
        .returning(SpendAlert.id)
    )
    return claimed.first() is not None


def _give_back(session: Session, alert: _Due) -> None:
    session.execute(update(SpendAlert).where(SpendAlert.id == alert.alert_id).values(told_month=None))


def _send(alert: _Due, mailer: Mailer, webhooks: Webhooks, month: Month, now: datetime) -> None:
    if alert.webhook and alert.webhook_secret:
        event = {
            "event": "spend_alert",
            "account": alert.account_id,
            "month": str(month),
            "calls": alert.calls,
            "micro_dollars": alert.spent,
            "threshold_micro_dollars": alert.threshold,
        }
        webhooks.deliver(alert.webhook, alert.webhook_secret, event, now)
    if alert.email:
        text = (
            f"{alert.account} has spent {dollars(alert.spent)} on {alert.calls:,} inspections in"
            f" {month} (UTC),\npast the {dollars(alert.threshold)} that this alert was set to.\n\n"
            "Nothing is stopped. Usage and the switch for free usage only are in the console."
        )
        mailer.send(Mail(alert.email, f"Layerwatch: {dollars(alert.threshold)} reached in {month}", text))
