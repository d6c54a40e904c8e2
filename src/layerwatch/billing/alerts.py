"""Spend alerts that an account has set: whom to notify when a month's spending reaches an amount."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.billing.errors import NotFound, NotPossible
from layerwatch.billing.models import SpendAlert
from layerwatch.core.languages import gettext as _
from layerwatch.notify.events import EventKind
from layerwatch.notify.models import ChannelRow
from layerwatch.notify.repository import channels_for, delete_channel

MAX_ALERTS = 20


def add_alert(session: Session, account_id: int, micro_dollars: int, *, email: str | None) -> SpendAlert:
    """Notify when a month's spending reaches an amount: `email`, and the channels that get such events.

    Raises NotPossible, also where nobody would be notified.
    """
    if micro_dollars <= 0:
        raise NotPossible(_("A spend alert needs an amount above zero."))
    if not email and not channels_for(session, account_id, EventKind.SPEND.value):
        raise NotPossible(_("A spend alert needs an e-mail address, or a notification channel for spending."))
    if len(list_alerts(session, account_id)) >= MAX_ALERTS:
        raise NotPossible(_("An account has at most %(most)s spend alerts.", most=MAX_ALERTS))
    alert = SpendAlert(
        account_id=account_id,
        micro_dollars=micro_dollars,
        email=email or None,
        channel_id=None,
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
        raise NotFound(_("There is no such spend alert."))
    session.delete(alert)
    session.flush()
    if alert.channel_id is not None:
        delete_channel(session, session.get_one(ChannelRow, alert.channel_id))


def remove_channel(session: Session, channel: ChannelRow) -> None:
    """Delete a notification channel, and the spend alert that was made with it."""
    with_it = select(SpendAlert).where(SpendAlert.channel_id == channel.id)
    for alert in session.scalars(with_it):
        if alert.email is None:
            session.delete(alert)
        else:
            alert.channel_id = None
    session.flush()
    delete_channel(session, channel)
