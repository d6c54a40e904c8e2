"""A print's session: the answer, its new state and the charge become true together or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from layerwatch import temporal
from layerwatch.contexts import answer_repository, pacing_check, repository
from layerwatch.contexts.answer import Announce, Answer, describe
from layerwatch.contexts.context_id import Context
from layerwatch.contexts.offline.cache import OfflineCache
from layerwatch.contexts.offline.deferred_inspection import DeferredInspection
from layerwatch.contexts.offline.ledger import OfflineLedger
from layerwatch.core.clock import Clock
from layerwatch.keys import Caller
from layerwatch.pacing.pacer import Pacer
from layerwatch.storage import OutcomeUnknown, StorageUnavailable
from layerwatch.telemetry import tracing
from layerwatch.temporal import (
    LESSONS,
    UNDO,
    Explanation,
    Levels,
    PrinterMemory,
    PrintState,
    StateFormatError,
    Verdict,
    flags_of,
)
from layerwatch.vision.evidence import Condition, Evidence

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

Teach = Callable[[PrintState], PrintState]

Charge = Callable[[Session, Caller, datetime], None]
"""Counts one inspection of a caller in the given transaction; may refuse by raising."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a print of a named printer begins. memory: of the printer, None while it has none."""

    memory: PrinterMemory | None


StartOf = Callable[[Session, str], Start | None]
"""How the print of this context begins; None for one whose printer has no name."""


MAX_RACE_RETRIES = 8
"""How often a call that lost a race for its context retries. One retry is enough to learn that it is early;
more are only needed while feedback and pictures arrive at the same instant."""


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
    progress: str | None = None
    """`prints.PrintProgress`, as JSON."""

    @property
    def seconds(self) -> float:
        """Seconds of print time since the context was opened, at least 0."""
        return max(0.0, (self.at - self.context.opened_at).total_seconds())

    def with_upload(self, camera: str, progress: str | None) -> Call:
        """The same call, with the camera and the printer's report that its upload names."""
        return replace(self, camera=camera, progress=progress)

    def with_levels(self, found: repository.Found | None) -> Call:
        """The same call, at the levels that a person has set for the print since it was opened, if any."""
        if found is None or found.levels is None:
            return self
        return replace(self, context=replace(self.context, levels=found.levels))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a Process call came to. repeated: the answer was stored by an earlier call of the same key.
    opens: this is the first judged picture of a print whose printer has a name.
    verdict, explanation: what the answer is made of, and why; None for a repeat.
    """

    answer: Answer
    repeated: bool
    opens: bool = False
    verdict: Verdict | None = None
    explanation: Explanation | None = None


class Contexts:
    """Looks after every print's session, also while the database is away.

    charge: counts an inspection in the transaction of its answer (`billing.count_inspection`).
    start_of: how a print begins (`printers.start_of`).
    announce: called, in the transaction of the answer, when a warning or a suggested pause begins.
    """

    def __init__(
        self,
        outage: OfflineLedger,
        pacer: Pacer,
        charge: Charge,
        start_of: StartOf,
        announce: Announce,
        clock: Clock,
    ) -> None:
        self._outage = outage
        self._reach = outage.reach
        self._memory = OfflineCache()
        self._pacer = pacer
        self._charge = charge
        self._start_of = start_of
        self._announce = announce
        self._clock = clock

    async def admit(self, call: Call, allowed: Callable[[Session], None] | None) -> Answer | None:
        """The stored answer if this call repeats one; else None if it may go on.

        allowed: looks whether the account may make the call; may refuse by raising. None where every account
        of its kind may. It is not asked while the database is away. Raises TooSoon.
        """
        try:
            stored = await self._reach.lookups_async(self._admit, call)
            if stored is None and allowed is not None:
                await self._reach.read_async(allowed)
            return stored
        except StorageUnavailable:
            return await self._admit_from_memory(call)

    def _admit(self, connection: Connection, call: Call) -> Answer | None:
        if (deferred := self._deferred(call)) is not None:
            return deferred
        # The context before the stored answer, here and in `_write`: an answer that is committed between the
        # two reads is then found, and its own call does not count as an early one.
        last = repository.last(connection, call.context)
        body = answer_repository.find(connection, call.context, call.key) if call.key is not None else None
        stored = Answer.from_json(body) if body is not None else None
        if stored is None and last is not None:
            pacing_check.check(last.inspected_at, last.interval_ms / 1000, call.at, self._clock.now())
        return stored

    def _deferred(self, call: Call) -> Answer | None:
        """The answer that a process of this node gave under the call's key and that is not booked yet.

        To be read before the database: an answer leaves the disk after it was committed.
        """
        body = self._outage.answers.find(call.context.id, call.key) if call.key is not None else None
        return Answer.from_json(body) if body is not None else None

    async def conclude(self, call: Call, evidence: Evidence) -> Outcome:
        """Take the evidence into the print's state, charge, and store the answer: one transaction.

        Of several calls on one context at the same time one wins; the others raise TooSoon, or return the
        winner's answer if they carry its Idempotency-Key. While the database is away the answer comes from
        what is remembered of the print, and is booked later. Raises StorageUnavailable, and what `charge`
        raises.
        """
        try:
            with tracing.span("store"):
                outcome, moved, levels = await self._write_async(self._write, call, evidence)
        except OutcomeUnknown:
            raise  # to answer from memory might count the call twice
        except StorageUnavailable:
            if not self._reach.away:
                raise
            with tracing.span("spool"):
                outcome = await self._conclude_from_memory(call, evidence)
        else:
            if moved is not None:
                self._memory.remember(call.context.id, moved, levels)
        if not outcome.repeated:
            self._pacer.called(outcome.answer.interval, outcome.answer.suspicious, call.at)
        return outcome

    async def apply_feedback(
        self,
        context: Context,
        kind: str,
        also: Callable[[Session], bool],
        *,
        idempotent_undo: bool = False,
    ) -> bool:
        """Teach a print's state what a person said of it, one of `LESSONS`; False if nothing was seen yet.

        also: what else belongs into the same transaction; whether there was anything to do or take back.
        idempotent_undo: a second undo in a row changes nothing, for clients that repeat a call whose answer
            was lost.
        """

        def lesson(session: Session) -> tuple[bool, Teach | None]:
            found = repository.find(session, context)
            if found is None:
                return False, None
            state, teach = _unpack(found, context), LESSONS[kind]
            if idempotent_undo and kind == UNDO and (state is None or state.before is None):
                return True, None
            done = also(session)
            if state is None:
                return True, None
            if kind == UNDO and state.before is None:
                if not done:  # nothing to take back
                    return True, None
                teach = temporal.forget
            if not repository.apply_feedback(session, context, found.revision, teach(state).to_bytes()):
                raise _LostRace
            return True, teach

        seen, teach = await self._write_async(lesson)
        if teach is not None:
            self._memory.apply_feedback(context.id, teach)
        return seen

    async def _write_async(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run work in a transaction, and again on what the winner left when it lost a race."""
        for _ in range(MAX_RACE_RETRIES):
            with suppress(_LostRace, IntegrityError):
                return await self._reach.write_async(work, *args, **kwargs)
        raise StorageUnavailable("the context is being changed by too many at once")

    async def _admit_from_memory(self, call: Call) -> Answer | None:
        if call.key is not None:
            promised = self._memory.promised(call.context.id, call.key)
            if promised is not None:
                return await promised
        if (deferred := self._deferred(call)) is not None:
            return deferred
        last = self._memory.last(call.context.id)
        if last is not None:
            pacing_check.check(last.inspected_at, last.interval_ms / 1000, call.at, self._clock.now())
        return None

    async def _conclude_from_memory(self, call: Call, evidence: Evidence) -> Outcome:
        repeated = await self._admit_from_memory(call)
        if repeated is not None:
            return Outcome(repeated, repeated=True)
        found = self._memory.last(call.context.id)
        state = _unpack(found, call.context) if found is not None else None
        outcome, moved = self._judge(state, call.with_levels(found), evidence)
        answer = outcome.answer
        # Before the disk has it: another call on this print that comes meanwhile is an early one, or waits.
        before = self._memory.remember(call.context.id, moved, found.levels if found is not None else None)
        if call.key is not None:
            self._memory.promise(call.context.id, call.key)
        body = answer.to_json() if call.key is not None else None
        unit = DeferredInspection(
            secrets.token_hex(16), call.context, call.caller, call.at, call.key, body, moved
        )
        try:
            there = await self._outage.keep(unit)
        except BaseException as error:
            if isinstance(
                error, Exception
            ):  # else cancelled: the disk's thread finishes, and the unit counts
                self._memory.put_back(call.context.id, before)
            if call.key is not None:
                self._memory.withdraw(
                    call.context.id, call.key, StorageUnavailable("the answer was not kept")
                )
            raise
        if there is not None:
            self._memory.put_back(call.context.id, before)
            outcome = Outcome(Answer.from_json(there), repeated=True)
        if call.key is not None:
            self._memory.kept(call.context.id, call.key, outcome.answer)
        return outcome

    def _write(
        self, session: Session, call: Call, evidence: Evidence
    ) -> tuple[Outcome, repository.Moved | None, Levels | None]:
        if (deferred := self._deferred(call)) is not None:
            return Outcome(deferred, repeated=True), None, None
        found = repository.find(session, call.context)
        body = answer_repository.find(session, call.context, call.key) if call.key is not None else None
        if body is not None:
            return Outcome(Answer.from_json(body), repeated=True), None, None
        if found is not None:
            pacing_check.check(found.inspected_at, found.interval_ms / 1000, call.at, self._clock.now())
        before = _unpack(found, call.context) if found is not None else None
        begun = before is not None and bool(before.cameras)
        start = None if begun else self._start_of(session, call.context.id)
        memory = start.memory if start else None
        outcome, moved = self._judge(before, call.with_levels(found), evidence, memory)
        if found is None:
            repository.add(session, call.context, moved)
        elif not repository.move(session, call.context, found.revision, moved):
            raise _LostRace
        if call.key is not None:
            answer_repository.keep(session, call.context, call.key, outcome.answer.to_json())
        self._charge(session, call.caller, call.at)
        self._announce_begun(session, call, before, outcome.answer)
        opens = start is not None and outcome.answer.condition == Condition.OK.value
        return replace(outcome, opens=opens), moved, found.levels if found is not None else None

    def _announce_begun(
        self, session: Session, call: Call, before: PrintState | None, answer: Answer
    ) -> None:
        """Announce the warning or the suggested pause that begins with an answer, if one does."""
        if not (answer.warning or answer.pause):
            return
        warned, paused = flags_of(before, call.context.levels) if before else (False, False)
        pause_begins = answer.pause and not paused
        if pause_begins or (answer.warning and not warned):
            self._announce(session, call.context, call.at, answer, pause_begins)

    def _judge(
        self,
        before: PrintState | None,
        call: Call,
        evidence: Evidence,
        memory: PrinterMemory | None = None,
    ) -> tuple[Outcome, repository.Moved]:
        """The outcome, and what it leaves behind."""
        with tracing.span("temporal"):
            state, verdict = temporal.step(
                before, evidence, call.seconds, call.context.levels, call.camera, memory
            )
            explanation = temporal.explain(before, state, call.camera)
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
        moved = repository.Moved(
            state=state.to_bytes(),
            inspected_at=now,
            interval_ms=1000 * (plan.minimum if call.dialect == 2 else plan.recommended),
            camera=call.camera or None,
            answer=replace(answer, detail=None).to_json(),
            progress=call.progress,
        )
        return Outcome(answer, False, verdict=verdict, explanation=explanation), moved


def _unpack(found: repository.Found, context: Context) -> PrintState | None:
    """The stored state; None, a fresh start, when it is another version's: better than no watch at all."""
    try:
        return PrintState.from_bytes(found.state)
    except StateFormatError as error:
        log.warning("print_state_unreadable", context=context.id[:12], why=str(error))
        return None
