"""Closed months in the database: every statement on their table is here."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from layerwatch.billing.models import Closing
from layerwatch.billing.month import Month


def add(
    session: Session, account_id: int, month: Month, calls: int, invoice_id: int | None, now: datetime
) -> None:
    """Close a month of an account. calls: billable ones.  invoice_id: None if there was nothing to pay."""
    session.add(
        Closing(account_id=account_id, month=str(month), calls=calls, invoice_id=invoice_id, closed_at=now)
    )
    session.flush()


def months(session: Session, account_id: int) -> Collection[str]:
    """The closed months of an account."""
    return set(session.scalars(select(Closing.month).where(Closing.account_id == account_id)))


def newest(session: Session, account_id: int) -> Month | None:
    """The newest closed month of an account."""
    latest = session.scalar(select(func.max(Closing.month)).where(Closing.account_id == account_id))
    return None if latest is None else Month.parse(latest)


def calls_before(session: Session, account_id: int, month: Month) -> int:
    """The calls of all closings of months before this one."""
    earlier = (Closing.account_id == account_id, Closing.month < str(month))
    return int(session.scalar(select(func.sum(Closing.calls)).where(*earlier)) or 0)


def number_by_account(session: Session, through: Month) -> dict[int, int]:
    """How many months up to this one are closed, for each account with any."""
    counted = session.execute(
        select(Closing.account_id, func.count())
        .where(Closing.month <= str(through))
        .group_by(Closing.account_id)
    )
    return dict(counted.all())


def by_month(session: Session) -> dict[str, tuple[int, int]]:
    """Of each month: the accounts that it is closed for, and their calls."""
    rows = session.execute(
        select(Closing.month, func.count(), func.sum(Closing.calls)).group_by(Closing.month)
    )
    return {month: (accounts, int(calls or 0)) for month, accounts, calls in rows}
