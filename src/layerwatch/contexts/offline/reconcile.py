"""Booking what was answered while the database was away: every unit exactly once, the newest state wins.

Many units in one transaction and few statements: an outage ends when the last one is booked. Rows are locked
in the order in which live calls lock them (contexts, accounts, usage), contexts by id, so that nodes that
book at the same time wait for each other instead of deadlocking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol, cast

from sqlalchemy import Table, bindparam, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from layerwatch.contexts import repository
from layerwatch.contexts.answer import Announce, Answer, flags_in
from layerwatch.contexts.models import AnswerRow, ContextRow, ReplayedUnit
from layerwatch.contexts.offline.deferred_inspection import DeferredInspection
from layerwatch.keys import Caller

UNIT_ID_RETENTION = timedelta(days=30)
"""How long a booked unit's id is remembered. A spool left behind for longer needs a person."""

DELETE_BATCH = 500
"""Ids deleted in one transaction."""

_CONTEXTS = cast(Table, ContextRow.__table__)
_ANSWERS = cast(Table, AnswerRow.__table__)
_BOOKED = cast(Table, ReplayedUnit.__table__)
_THIS = (_CONTEXTS.c.id == bindparam("context"), _CONTEXTS.c.expires_at == bindparam("expires"))
_COUNT = update(_CONTEXTS).where(*_THIS).values(revision=_CONTEXTS.c.revision + bindparam("units"))
_MOVE = _COUNT.values({name: bindparam(f"new_{name}") for name in repository.Moved._fields}).values(
    progress=func.coalesce(bindparam("new_progress", type_=_CONTEXTS.c.progress.type), _CONTEXTS.c.progress)
)
_COLUMNS = [column.name for column in _CONTEXTS.c]
_ADD = text(
    f"INSERT INTO contexts ({', '.join(_COLUMNS)})"
    f" VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) ON CONFLICT DO NOTHING"
).bindparams(*(bindparam(column.name, type_=column.type) for column in _CONTEXTS.c))
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


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
    old = select(_BOOKED.c.id).where(_BOOKED.c.replayed_at < now - UNIT_ID_RETENTION).limit(DELETE_BATCH)
    return cast(Any, session.execute(delete(_BOOKED).where(_BOOKED.c.id.in_(old)))).rowcount  # type: ignore[no-any-return]


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
    booked = set(session.scalars(select(_BOOKED.c.id).where(_BOOKED.c.id.in_(by_id))))
    new = [unit for unit in by_id.values() if unit.id not in booked]
    if new:
        session.execute(insert(_BOOKED), [{"id": unit.id, "replayed_at": now} for unit in new])
    return new


def _lock_contexts(session: Session, units: Iterable[DeferredInspection]) -> dict[str, _Before]:
    """Hold the units' contexts, each with a row from now on; what each was before."""
    contexts = {unit.context.id: unit for unit in units}
    if not contexts:
        return {}
    here = (
        _CONTEXTS.c.id.in_(contexts),
        _CONTEXTS.c.expires_at.in_({unit.context.expires_at for unit in contexts.values()}),
    )
    missing = sorted(contexts.keys() - set(session.scalars(select(_CONTEXTS.c.id).where(*here))))
    if missing:
        never = {context: contexts[context].moved._replace(inspected_at=_LONG_AGO) for context in missing}
        session.execute(
            _ADD, [repository.as_row(contexts[context].context, 0, never[context]) for context in missing]
        )
    found = session.execute(
        select(_CONTEXTS.c.id, _CONTEXTS.c.inspected_at, _CONTEXTS.c.answer)
        .where(*here)
        .order_by(_CONTEXTS.c.id)
        .with_for_update()
    )
    return {row.id: _before(row.inspected_at, row.answer) for row in found}


def _before(inspected_at: datetime, answer: str) -> _Before:
    if inspected_at == _LONG_AGO:
        return _Before(inspected_at, warning=False, pause=False)
    return _Before(inspected_at, *flags_in(answer))


def _keep_answers(session: Session, units: Sequence[DeferredInspection]) -> list[DeferredInspection]:
    """Store the answers to Idempotency-Keys; the units without those whose key was answered already."""
    keyed = [unit for unit in units if unit.key is not None]
    answered: set[tuple[str, str | None]] = set()
    if keyed:
        # Plain lists find a few rows more than pairs would, but by index.
        found = session.execute(
            select(_ANSWERS.c.context_id, _ANSWERS.c.key).where(
                _ANSWERS.c.context_id.in_({unit.context.id for unit in keyed}),
                _ANSWERS.c.key.in_({unit.key for unit in keyed}),
                _ANSWERS.c.expires_at.in_({unit.context.expires_at for unit in keyed}),
            )
        )
        answered = {(row.context_id, row.key) for row in found}
    new, bodies = [], []
    for unit in units:
        if unit.key is not None and unit.body is not None:
            if (unit.context.id, unit.key) in answered:
                continue
            answered.add((unit.context.id, unit.key))
            bodies.append(repository.as_answer(unit.context, unit.key, unit.body))
        new.append(unit)
    if bodies:
        session.execute(insert(_ANSWERS), bodies)
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
    moved: list[dict[str, Any]] = []
    counted: list[dict[str, Any]] = []
    for context_id in sorted(by_context):
        mine = by_context[context_id]
        newest = max(mine, key=lambda unit: unit.moved.inspected_at)
        here = {"context": context_id, "expires": newest.context.expires_at, "units": len(mine)}
        if newest.moved.inspected_at > seen[context_id].inspected_at:
            newer.append((newest, seen[context_id]))
            moved.append(here | {f"new_{name}": value for name, value in newest.moved._asdict().items()})
        else:
            counted.append(here)
    for statement, values in ((_MOVE, moved), (_COUNT, counted)):
        if values:
            session.execute(statement, values)
    return newer


def _charge(session: Session, units: Sequence[DeferredInspection], charge: LateCharge) -> None:
    """Count the units by caller and hour, accounts in order."""
    groups: dict[tuple[Caller, datetime], list[datetime]] = defaultdict(list)
    for unit in units:
        groups[unit.caller, unit.at.replace(minute=0, second=0, microsecond=0)].append(unit.at)
    for (caller, _), times in sorted(groups.items(), key=lambda group: (group[0][0].account_id, group[0][1])):
        charge(session, caller, max(times), calls=len(times))
