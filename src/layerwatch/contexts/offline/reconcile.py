"""Booking what was answered while the database was away: every unit exactly once, the newest state wins.

Many units in one transaction and few statements: an outage ends when the last one is booked. Rows are locked
in the order in which live calls lock them (contexts, accounts, usage), contexts by id, so that nodes that
book at the same time wait for each other instead of deadlocking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from sqlalchemy.orm import Session

from layerwatch.contexts import answer_repository, repository
from layerwatch.contexts.answer import Announce, Answer, flags_in
from layerwatch.contexts.context_id import Context
from layerwatch.contexts.offline import booked_units
from layerwatch.contexts.offline.deferred_inspection import DeferredInspection
from layerwatch.keys import Caller

UNIT_ID_RETENTION = timedelta(days=30)
"""How long a booked unit's id is remembered. A spool left behind for longer needs a person."""

DELETE_BATCH = 500
"""Ids deleted in one transaction."""


class LateCharge(Protocol):
    """Counts inspections of one hour whatever the allowance is by now."""

    def __call__(self, session: Session, caller: Caller, at: datetime, *, calls: int) -> None: ...


class _Before(NamedTuple):
    """A context before units were booked on it."""

    inspected_at: datetime
    warning: bool
    pause: bool


def tidy(session: Session, now: datetime) -> int:
    """Forget units booked long ago, at most `DELETE_BATCH`; how many."""
    return booked_units.forget(session, now - UNIT_ID_RETENTION, DELETE_BATCH)


def book(
    session: Session,
    units: Sequence[DeferredInspection],
    charge: LateCharge,
    announce: Announce,
    now: datetime,
) -> int:
    """Book units in the order in which they were answered; how many were not yet booked, by whichever node.

    Of several with one Idempotency-Key on one context the first counts. Raises IntegrityError if another
    process books the same unit, or answers the same key, at the same moment: then nothing was booked, and
    another look finds what it left.
    """
    new = _without_booked(session, units, now)
    seen = _lock_contexts(session, new)
    new = _keep_answers(session, new)
    for newest, before in _move_contexts(session, new, seen):
        warning, pause = flags_in(newest.moved.answer)
        begins = pause and not before.pause
        if begins or (warning and not before.warning):
            announce(session, newest.context, newest.at, Answer.from_json(newest.moved.answer), begins)
    _charge(session, new, charge)
    return len(new)


def _without_booked(
    session: Session, units: Sequence[DeferredInspection], now: datetime
) -> list[DeferredInspection]:
    """The units that were not booked before, each once; they are noted as booked."""
    by_id = {unit.id: unit for unit in units}
    booked = booked_units.among(session, by_id)
    new = [unit for unit in by_id.values() if unit.id not in booked]
    booked_units.note(session, (unit.id for unit in new), now)
    return new


def _lock_contexts(session: Session, units: Iterable[DeferredInspection]) -> dict[str, _Before]:
    """Hold the units' contexts, each with a row from now on; what each was before."""
    contexts = {unit.context.id: (unit.context, unit.moved) for unit in units}
    if not contexts:
        return {}
    return {context: _before(last) for context, last in repository.lock_many(session, contexts).items()}


def _before(last: repository.LastInspection) -> _Before:
    if last.inspected_at == repository.LONG_AGO:
        return _Before(last.inspected_at, warning=False, pause=False)
    return _Before(last.inspected_at, *flags_in(last.answer))


def _keep_answers(session: Session, units: Sequence[DeferredInspection]) -> list[DeferredInspection]:
    """Store the answers to Idempotency-Keys; the units without those whose key was answered already."""
    keys = [(unit.context, unit.key) for unit in units if unit.key is not None]
    answered = answer_repository.answered(session, keys)
    new, bodies = [], []
    for unit in units:
        if unit.key is not None and unit.body is not None:
            if (unit.context.id, unit.key) in answered:
                continue
            answered.add((unit.context.id, unit.key))
            bodies.append((unit.context, unit.key, unit.body))
        new.append(unit)
    answer_repository.keep_many(session, bodies)
    return new


def _move_contexts(
    session: Session, units: Sequence[DeferredInspection], seen: dict[str, _Before]
) -> list[tuple[DeferredInspection, _Before]]:
    """Another region may have gone on with a print: the revision counts both, the newest state stays.

    Returns the contexts whose state is now that of a unit, with what they were before.
    """
    newer: list[tuple[DeferredInspection, _Before]] = []
    by_context: dict[str, list[DeferredInspection]] = defaultdict(list)
    for unit in units:
        by_context[unit.context.id].append(unit)
    moved: list[tuple[Context, int, repository.Moved]] = []
    counted: list[tuple[Context, int]] = []
    for context_id in sorted(by_context):
        mine = by_context[context_id]
        newest = max(mine, key=lambda unit: unit.moved.inspected_at)
        if newest.moved.inspected_at > seen[context_id].inspected_at:
            newer.append((newest, seen[context_id]))
            moved.append((newest.context, len(mine), newest.moved))
        else:
            counted.append((newest.context, len(mine)))
    repository.move_many(session, moved)
    repository.count_many(session, counted)
    return newer


def _charge(session: Session, units: Sequence[DeferredInspection], charge: LateCharge) -> None:
    """Count the units by caller and hour, accounts in order."""
    groups: dict[tuple[Caller, datetime], list[datetime]] = defaultdict(list)
    for unit in units:
        groups[unit.caller, unit.at.replace(minute=0, second=0, microsecond=0)].append(unit.at)
    for (caller, _), times in sorted(groups.items(), key=lambda group: (group[0][0].account_id, group[0][1])):
        charge(session, caller, max(times), calls=len(times))
