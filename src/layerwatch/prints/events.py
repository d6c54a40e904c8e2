"""What people and programs did about a print: feedback, and what was asked of its printer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from layerwatch.prints.models import PrintEventRow
from layerwatch.temporal import UNDO

MAX_EVENTS_PER_PRINT = 200
"""Later ones are left out: the audit log and the feedback have them all the same."""


class PrintEvent(NamedTuple):
    """An event, as `record` takes it."""

    at: datetime
    kind: str
    who: str
    detail: str


def record(
    session: Session,
    *,
    context_id: str,
    account_id: int,
    at: datetime,
    kind: str,
    who: str,
    detail: str = "",
) -> None:
    """Add an event to a print. kind: at most 24 characters, such as `false_alarm`, `undo` or `pause`.
    who: a user's address, or the first characters of a key. detail: cut at 200 characters."""
    known = session.scalar(select(func.count()).where(PrintEventRow.context_id == context_id)) or 0
    if known < MAX_EVENTS_PER_PRINT:
        session.add(
            PrintEventRow(
                context_id=context_id,
                account_id=account_id,
                at=at,
                kind=kind[:24],
                who=who[:254],
                detail=detail[:200],
            )
        )


def feedback_note(
    context_id: str, account_id: int, at: datetime, kind: str, who: str
) -> Callable[[Session, str], None]:
    """Notes that feedback of a kind was given, or taken back where `kind` says so."""

    def note(session: Session, about: str) -> None:
        undone = kind.startswith(UNDO)
        record(
            session,
            context_id=context_id,
            account_id=account_id,
            at=at,
            kind=UNDO if undone else kind,
            who=who,
            detail=about if undone else "",
        )

    return note


def delete_events(session: Session, context_ids: Collection[str]) -> None:
    """Delete the events of prints."""
    session.execute(delete(PrintEventRow).where(PrintEventRow.context_id.in_(context_ids)))


def of_print(session: Session, context_id: str) -> list[PrintEvent]:
    """A print's events, oldest first."""
    rows = session.execute(
        select(PrintEventRow.at, PrintEventRow.kind, PrintEventRow.who, PrintEventRow.detail)
        .where(PrintEventRow.context_id == context_id)
        .order_by(PrintEventRow.id)
    )
    return [PrintEvent(*row) for row in rows]
