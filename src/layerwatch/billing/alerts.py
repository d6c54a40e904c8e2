"""Spend alerts that an account has set: whom to notify when a month's spending reaches an amount."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.billing.errors import NotFound, NotPossible
from layerwatch.billing.models import SpendAlert

MAX_ALERTS = 20


def add_alert(
    session: Session, account_id: int, micro_dollars: int, *, email: str | None, webhook: str | None
) -> SpendAlert:
    """Notify `email`, `webhook` or both when a month's spending reaches an amount. Raises NotPossible."""
    if micro_dollars <= 0:
        raise NotPossible("A spend alert needs an amount above zero.")
    if not email and not webhook:
        raise NotPossible("A spend alert needs an e-mail address or a webhook.")
    if webhook:
        parts = urlsplit(webhook)
        if parts.scheme not in ("http", "https") or not parts.hostname or len(webhook) > 500:
            raise NotPossible("A webhook is an address that begins with https://.")
    if len(list_alerts(session, account_id)) >= MAX_ALERTS:
        raise NotPossible(f"An account has at most {MAX_ALERTS} spend alerts.")
    alert = SpendAlert(
        account_id=account_id,
        micro_dollars=micro_dollars,
        email=email or None,
        webhook=webhook or None,
        webhook_secret=secrets.token_urlsafe(32) if webhook else None,
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
