"""Booking what was answered while the database was away: every unit exactly once, the newest state wins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, text, update
from sqlalchemy.orm import Session

from layerwatch.accounts import Caller
from layerwatch.contexts import rows
from layerwatch.contexts.models import ContextRow, ReplayedUnit
from layerwatch.contexts.unit import Unit
from layerwatch.storage import UtcTime

LateCharge = Callable[[Session, Caller, datetime], None]
"""Counts one inspection whatever the allowance is by now."""

KEPT = timedelta(days=30)
"""How long a booked unit's id is remembered. A spool that was left behind longer is looked at by a person."""

_FIRST_TIME = text(
    "INSERT INTO replayed_units (id, replayed_at) VALUES (:id, :at) ON CONFLICT (id) DO NOTHING"
).bindparams(bindparam("at", type_=UtcTime))


def tidy(session: Session, now: datetime) -> None:
    """Forget units booked long ago. It writes, so it also shows that the database can be written."""
    session.execute(delete(ReplayedUnit).where(ReplayedUnit.replayed_at < now - KEPT))


def book(session: Session, unit: Unit, charge: LateCharge, now: datetime) -> bool:
    """Book one unit; False if it was booked before, or another node answered its Idempotency-Key."""
    if session.execute(_FIRST_TIME, {"id": unit.id, "at": now}).rowcount != 1:  # type: ignore[attr-defined]
        return False
    if unit.key is not None and unit.body is not None:
        if rows.answer(session, unit.context, unit.key) is not None:
            return False
        rows.keep_answer(session, unit.context, unit.key, unit.body)
    row = session.get(ContextRow, unit.context.id, with_for_update=True, populate_existing=True)
    if row is None:
        rows.add(session, unit.context, unit.moved)
    else:
        # Another region may have gone on with the print: the revision counts both, the newest stays.
        newer = unit.moved._asdict() if unit.moved.inspected_at > row.inspected_at else {}
        session.execute(
            update(ContextRow)
            .where(ContextRow.id == unit.context.id)
            .values(revision=ContextRow.revision + 1, **newer)
            .execution_options(synchronize_session=False)
        )
    charge(session, unit.caller, unit.at)
    return True
