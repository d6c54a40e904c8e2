"""All SQL of labelled prints."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from layerwatch.prints.labels import PrintLabels
from layerwatch.prints.models import PrintRow

MAX_PRINTS_PER_ACCOUNT = 2000
"""Labelled prints kept for an account; the oldest go first. A farm of 100 printers opens as many in 14 days
with a print and a half a day each."""


def add(
    session: Session,
    context_id: str,
    account_id: int,
    opened_at: datetime,
    expires_at: datetime,
    labels: PrintLabels,
) -> None:
    """Keep the labels of a print, and forget the account's oldest beyond `MAX_PRINTS_PER_ACCOUNT`."""
    session.add(
        PrintRow(
            context_id=context_id,
            account_id=account_id,
            opened_at=opened_at,
            expires_at=expires_at,
            **asdict(labels),
        )
    )
    session.flush()
    beyond = (
        select(PrintRow.context_id)
        .where(PrintRow.account_id == account_id)
        .order_by(PrintRow.opened_at.desc(), PrintRow.context_id)
        .offset(MAX_PRINTS_PER_ACCOUNT)
    )
    oldest = session.scalars(beyond).all()
    if oldest:
        session.execute(delete(PrintRow).where(PrintRow.context_id.in_(oldest)))


def delete_expired(session: Session, now: datetime, limit: int) -> int:
    """Delete at most `limit` expired rows, oldest first; how many went."""
    old = (
        select(PrintRow.context_id)
        .where(PrintRow.expires_at <= now)
        .order_by(PrintRow.expires_at)
        .limit(limit)
    )
    result = session.execute(delete(PrintRow).where(PrintRow.context_id.in_(old)))
    return cast(Any, result).rowcount  # type: ignore[no-any-return]
