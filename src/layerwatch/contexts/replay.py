"""Booking what was answered while the database was away: every unit exactly once, the newest state wins.

Many units in one transaction and few statements: an outage ends when the last one is booked. Rows are locked
in the order in which live calls lock them (contexts, accounts, usage), contexts by id, so that nodes that
book at the same time wait for each other instead of deadlocking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

from sqlalchemy import Table, bindparam, delete, insert, select, tuple_, update
from sqlalchemy.orm import Session

from layerwatch.accounts import Caller
from layerwatch.contexts import rows
from layerwatch.contexts.models import AnswerRow, ContextRow, ReplayedUnit
from layerwatch.contexts.unit import Unit

KEPT = timedelta(days=30)
"""How long a booked unit's id is remembered. A spool that was left behind longer is looked at by a person."""

TIDIED = 500
"""Ids forgotten in one transaction."""

_CONTEXTS = cast(Table, ContextRow.__table__)
_ANSWERS = cast(Table, AnswerRow.__table__)
_BOOKED = cast(Table, ReplayedUnit.__table__)
_THIS = (_CONTEXTS.c.id == bindparam("context"), _CONTEXTS.c.expires_at == bindparam("expires"))
_COUNT = update(_CONTEXTS).where(*_THIS).values(revision=_CONTEXTS.c.revision + bindparam("units"))
_MOVE = _COUNT.values({name: bindparam(f"new_{name}") for name in rows.Moved._fields})


class LateCharge(Protocol):
    """Counts inspections of one hour whatever the allowance is by now."""

    def __call__(self, session: Session, caller: Caller, at: datetime, *, calls: int) -> None: ...


def tidy(session: Session, now: datetime) -> int:
    """Forget units booked long ago, at most `TIDIED`; how many."""
    old = select(_BOOKED.c.id).where(_BOOKED.c.replayed_at < now - KEPT).limit(TIDIED)
    return cast(Any, session.execute(delete(_BOOKED).where(_BOOKED.c.id.in_(old)))).rowcount  # type: ignore[no-any-return]


def book(session: Session, units: Sequence[Unit], charge: LateCharge, now: datetime) -> int:
    """Book units in the order in which they were answered; how many were not yet booked, by whichever node.

    Of several with one Idempotency-Key on one context the first counts. Raises IntegrityError if another
    process does the same at the same moment: then nothing was booked, and another look finds what it left.
    """
    new = _without_booked(session, units, now)
    seen = _lock_contexts(session, new)
    new = _keep_answers(session, new)
    _move_contexts(session, new, seen)
    _charge(session, new, charge)
    return len(new)


def _without_booked(session: Session, units: Sequence[Unit], now: datetime) -> list[Unit]:
    """The units that were not booked before, each once; they are noted as booked."""
    by_id = {unit.id: unit for unit in units}
    booked = set(session.scalars(select(_BOOKED.c.id).where(_BOOKED.c.id.in_(by_id))))
    new = [unit for unit in by_id.values() if unit.id not in booked]
    if new:
        session.execute(insert(_BOOKED), [{"id": unit.id, "replayed_at": now} for unit in new])
    return new


def _lock_contexts(session: Session, units: Iterable[Unit]) -> dict[str, datetime]:
    """Hold the units' contexts; when each was last inspected. Those without a row are left out."""
    ids = {unit.context.id for unit in units}
    days = {unit.context.expires_at for unit in units}
    found = session.execute(
        select(_CONTEXTS.c.id, _CONTEXTS.c.inspected_at)
        .where(_CONTEXTS.c.id.in_(ids), _CONTEXTS.c.expires_at.in_(days))
        .order_by(_CONTEXTS.c.id)
        .with_for_update()
    )
    return {row.id: row.inspected_at for row in found}


def _keep_answers(session: Session, units: Sequence[Unit]) -> list[Unit]:
    """Store the answers to Idempotency-Keys; the units without those whose key was answered already."""
    keys = {(unit.context.id, unit.key) for unit in units if unit.key is not None}
    days = {unit.context.expires_at for unit in units}
    answered: set[tuple[str, str | None]] = set()
    if keys:
        found = session.execute(
            select(_ANSWERS.c.context_id, _ANSWERS.c.key).where(
                tuple_(_ANSWERS.c.context_id, _ANSWERS.c.key).in_(keys), _ANSWERS.c.expires_at.in_(days)
            )
        )
        answered = {(row.context_id, row.key) for row in found}
    new, bodies = [], []
    for unit in units:
        if unit.key is not None and unit.body is not None:
            if (unit.context.id, unit.key) in answered:
                continue
            answered.add((unit.context.id, unit.key))
            bodies.append(rows.as_answer(unit.context, unit.key, unit.body))
        new.append(unit)
    if bodies:
        session.execute(insert(_ANSWERS), bodies)
    return new


def _move_contexts(session: Session, units: Sequence[Unit], seen: dict[str, datetime]) -> None:
    """Another region may have gone on with a print: the revision counts both, the newest state stays."""
    by_context: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        by_context[unit.context.id].append(unit)
    added: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    counted: list[dict[str, Any]] = []
    for context_id in sorted(by_context):
        mine = by_context[context_id]
        newest = max(mine, key=lambda unit: unit.moved.inspected_at)
        last = seen.get(context_id)
        if last is None:
            added.append(rows.as_row(newest.context, len(mine), newest.moved))
            continue
        here = {"context": context_id, "expires": newest.context.expires_at, "units": len(mine)}
        if newest.moved.inspected_at > last:
            moved.append(here | {f"new_{name}": value for name, value in newest.moved._asdict().items()})
        else:
            counted.append(here)
    for statement, values in ((insert(_CONTEXTS), added), (_MOVE, moved), (_COUNT, counted)):
        if values:
            session.execute(statement, values)


def _charge(session: Session, units: Sequence[Unit], charge: LateCharge) -> None:
    """Count the units by caller and hour, accounts in order."""
    groups: dict[tuple[Caller, datetime], list[datetime]] = defaultdict(list)
    for unit in units:
        groups[unit.caller, unit.at.replace(minute=0, second=0, microsecond=0)].append(unit.at)
    for (caller, _), times in sorted(groups.items(), key=lambda group: (group[0][0].account_id, group[0][1])):
        charge(session, caller, max(times), calls=len(times))
