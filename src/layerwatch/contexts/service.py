"""A print's session: the answer, its new state and the charge become true together or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from layerwatch import temporal
from layerwatch.accounts import Caller
from layerwatch.clock import Clock
from layerwatch.contexts import early, rows
from layerwatch.contexts.answer import Answer, describe
from layerwatch.contexts.ids import Context
from layerwatch.fleet.pacing import Pacer
from layerwatch.storage import Database, StorageUnavailable
from layerwatch.temporal import PrintState, StateFormatError
from layerwatch.vision.evidence import Evidence

log = structlog.get_logger(__name__)

T = TypeVar("T")

Charge = Callable[[Session, Caller, datetime], None]
"""Counts one inspection of a caller in the given transaction; may refuse by raising."""

RACES = 8
"""How often a call that lost a race for its context looks again. One look is enough to learn that it is
early; more are only needed while feedback and pictures come at the same instant."""

TEACHERS: dict[str, Callable[[PrintState], PrintState]] = {
    "false_alarm": temporal.false_alarm,
    "resumed": temporal.resumed,
    "missed": lambda state: state,  # nothing to unlearn: the picture goes to review
}
"""What each kind of feedback does to the print's state."""


class _LostRace(Exception):
    """Someone else moved the context between our look and our write."""


@dataclass(frozen=True, slots=True)
class Call:
    """One Process call, as far as a context cares. at: when it arrived."""

    context: Context
    caller: Caller
    at: datetime
    key: str | None
    """Idempotency-Key, in canonical form."""
    dialect: int
    detail: bool
    camera: str = ""

    @property
    def seconds(self) -> float:
        """Seconds of print time since the context was opened, at least 0."""
        return max(0.0, (self.at - self.context.opened_at).total_seconds())

    def by_camera(self, camera: str) -> Call:
        """The same call, with the camera that its upload names."""
        return replace(self, camera=camera)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a Process call came to. repeated: the answer was stored by an earlier call of the same key."""

    answer: Answer
    repeated: bool


class Contexts:
    """Looks after every print's session.

    charge: counts an inspection in the transaction of its answer (`billing.count_inspection`).
    """

    def __init__(self, database: Database, pacer: Pacer, charge: Charge, clock: Clock) -> None:
        self._database = database
        self._pacer = pacer
        self._charge = charge
        self._clock = clock

    def admit(self, session: Session, call: Call) -> Answer | None:
        """The stored answer if this call repeats one; else None if it may go on. Raises TooSoon."""
        # The context before the stored answer, here and in `_write`: an answer that is committed between the
        # two looks is then found, and its own call is not taken for an early one.
        last = rows.last(session, call.context)
        stored = _stored(session, call)
        if stored is None and last is not None:
            early.check(last.inspected_at, last.interval_ms / 1000, call.at)
        return stored

    async def conclude(self, call: Call, evidence: Evidence) -> Outcome:
        """Take the evidence into the print's state, charge, and store the answer: one transaction.

        Of several calls on one context at the same time one wins; the others raise TooSoon, or return the
        winner's answer if they carry its Idempotency-Key. Raises StorageUnavailable, and what `charge`
        raises.
        """
        outcome = await self._settle(lambda session: self._write(session, call, evidence))
        if not outcome.repeated:
            self._pacer.called(outcome.answer.interval, outcome.answer.suspicious, call.at)
        return outcome

    async def teach(self, context: Context, kind: str, also: Callable[[Session], None]) -> bool:
        """Teach a print's state what a person said of it, one of `TEACHERS`; False if nothing was seen yet.

        also: what else belongs into the same transaction.
        """

        def lesson(session: Session) -> bool:
            found = rows.find(session, context)
            if found is None:
                return False
            state = _unpack(found, context)
            if state is not None and not rows.teach(
                session, context, found.revision, TEACHERS[kind](state).to_bytes()
            ):
                raise _LostRace
            also(session)
            return True

        return await self._settle(lesson)

    async def _settle(self, work: Callable[[Session], T]) -> T:
        """Run work in a transaction, and again on what the winner left when it lost a race."""
        for _ in range(RACES):
            with suppress(_LostRace, IntegrityError):
                return await self._database.run(work)
        raise StorageUnavailable("the context is being changed by too many at once")

    def _write(self, session: Session, call: Call, evidence: Evidence) -> Outcome:
        found = rows.find(session, call.context)
        stored = _stored(session, call)
        if stored is not None:
            return Outcome(stored, repeated=True)
        if found is not None:
            early.check(found.inspected_at, found.interval_ms / 1000, call.at)
        before = _unpack(found, call.context) if found is not None else None
        state, verdict = temporal.step(before, evidence, call.seconds, call.context.levels, call.camera)
        now = self._clock.now()
        plan = self._pacer.plan(verdict.suspicious, now)
        answer = Answer(
            interval=plan,
            quality=verdict.quality,
            score=verdict.score,
            warning=verdict.warning,
            pause=verdict.pause,
            suspicious=verdict.suspicious,
            kind=verdict.kind,
            condition=verdict.condition.value,
            detail=describe(evidence, verdict) if call.detail else None,
        )
        moved = rows.Moved(
            state=state.to_bytes(),
            inspected_at=now,
            interval_ms=1000 * (plan.minimum if call.dialect == 2 else plan.recommended),
            camera=call.camera or None,
            answer=replace(answer, detail=None).to_json(),
        )
        if found is None:
            rows.add(session, call.context, moved)
        elif not rows.move(session, call.context, found.revision, moved):
            raise _LostRace
        if call.key is not None:
            rows.keep_answer(session, call.context, call.key, answer.to_json())
        self._charge(session, call.caller, call.at)
        return Outcome(answer, repeated=False)


def _stored(session: Session, call: Call) -> Answer | None:
    body = rows.answer(session, call.context, call.key) if call.key is not None else None
    return Answer.from_json(body) if body is not None else None


def _unpack(found: rows.Found, context: Context) -> PrintState | None:
    """The stored state; None, a fresh start, when it is another version's: better than no watch at all."""
    try:
        return PrintState.from_bytes(found.state)
    except StateFormatError as error:
        log.warning("print_state_unreadable", context=context.id[:12], why=str(error))
        return None
