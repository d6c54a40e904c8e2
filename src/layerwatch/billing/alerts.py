"""Spend alerts that an account has set: whom to notify when a month's spending reaches an amount."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from layerwatch.billing.errors import NotFound, NotPossible
from layerwatch.billing.models import SpendAlert
from layerwatch.billing.month import Month
from layerwatch.core.languages import gettext as _
from layerwatch.notify.events import EventKind
from layerwatch.notify.models import ChannelRow
from layerwatch.notify.repository import channels_for, delete_channel, get_channel

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


def to_mail(session: Session, month: Month) -> Sequence[SpendAlert]:
    """The alerts with a mail address that were not mailed in the month."""
    return _waiting(session, *_unmailed(month))


def is_to_mail(session: Session, alert_id: int, month: Month) -> bool:
    """Whether an alert is still one of `to_mail`."""
    wanted = select(SpendAlert.id).where(SpendAlert.id == alert_id, *_unmailed(month))
    return session.scalar(wanted) is not None


def mailed(session: Session, alert_id: int, month: Month) -> None:
    """Record that an alert was mailed in the month."""
    session.execute(update(SpendAlert).where(SpendAlert.id == alert_id).values(mailed_month=str(month)))


def to_announce(session: Session, month: Month) -> Sequence[SpendAlert]:
    """The alerts that channels were not notified of in the month."""
    return _waiting(session, _not_in(SpendAlert.posted_month, month))


def take_to_announce(session: Session, alert_id: int, month: Month) -> bool:
    """Record that channels are notified of an alert in the month; False if they were before."""
    here = (SpendAlert.id == alert_id, _not_in(SpendAlert.posted_month, month))
    taken = session.execute(update(SpendAlert).where(*here).values(posted_month=str(month)))
    return bool(cast(Any, taken).rowcount)


def _waiting(session: Session, *conditions: ColumnElement[bool]) -> Sequence[SpendAlert]:
    return session.scalars(select(SpendAlert).where(*conditions).order_by(SpendAlert.id)).all()


def _unmailed(month: Month) -> tuple[ColumnElement[bool], ...]:
    return (SpendAlert.email.is_not(None), _not_in(SpendAlert.mailed_month, month))


def _not_in(record: InstrumentedAttribute[str | None], month: Month) -> ColumnElement[bool]:
    return or_(record.is_(None), record != str(month))


def remove_alert(session: Session, account_id: int, alert_id: int) -> None:
    """Remove an alert. Raises NotFound."""
    alert = session.get(SpendAlert, alert_id)
    if alert is None or alert.account_id != account_id:
        raise NotFound(_("There is no such spend alert."))
    session.delete(alert)
    session.flush()
    if alert.channel_id is not None:
        delete_channel(session, get_channel(session, alert.channel_id))


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
