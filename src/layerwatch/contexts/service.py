"""A print's session: the answer, its new state and the charge become true together or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from layerwatch import temporal
from layerwatch.contexts import answer_repository, pacing_check, repository
from layerwatch.contexts.answer import Announce, Answer
from layerwatch.contexts.call import Call, Outcome
from layerwatch.contexts.context_id import Context
from layerwatch.contexts.judging import judge, unpack
from layerwatch.contexts.offline.calls import OfflineCalls
from layerwatch.contexts.offline.ledger import OfflineLedger
from layerwatch.core.clock import Clock
from layerwatch.keys import Caller
from layerwatch.pacing.pacer import Pacer
from layerwatch.storage import OutcomeUnknown, StorageUnavailable
from layerwatch.telemetry import tracing
from layerwatch.temporal import (
    LESSONS,
    UNDO,
    Levels,
    PrinterMemory,
    PrintState,
    flags_of,
)
from layerwatch.vision.evidence import Condition, Evidence

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


class Contexts:
    """Looks after every print's session, also while the database is away.

    charge: counts an inspection in the transaction of its answer (`billing.count_inspection`).
    start_of: how a print begins (`printers.start_of`).
    announce: called, in the transaction of the answer, when a warning or a suggested pause begins.
    """

    def __init__(
        self,
        ledger: OfflineLedger,
        pacer: Pacer,
        charge: Charge,
        start_of: StartOf,
        announce: Announce,
        clock: Clock,
    ) -> None:
        self._reach = ledger.reach
        self._offline = OfflineCalls(ledger, pacer, clock)
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
            return await self._offline.admit(call)

    def _admit(self, connection: Connection, call: Call) -> Answer | None:
        if (deferred := self._offline.deferred(call)) is not None:
            return deferred
        # The context before the stored answer, here and in `_write`: an answer that is committed between the
        # two reads is then found, and its own call does not count as an early one.
        last = repository.last(connection, call.context)
        body = answer_repository.find(connection, call.context, call.key) if call.key is not None else None
        stored = Answer.from_json(body) if body is not None else None
        if stored is None and last is not None:
            pacing_check.check(last.inspected_at, last.interval_ms / 1000, call.at, self._clock.now())
        return stored

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
                outcome = await self._offline.conclude(call, evidence)
        else:
            if moved is not None:
                self._offline.cache.remember(call.context.id, moved, levels)
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
            state, teach = unpack(found, context), LESSONS[kind]
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
            self._offline.cache.apply_feedback(context.id, teach)
        return seen

    async def _write_async(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run work in a transaction, and again on what the winner left when it lost a race."""
        for _ in range(MAX_RACE_RETRIES):
            with suppress(_LostRace, IntegrityError):
                return await self._reach.write_async(work, *args, **kwargs)
        raise StorageUnavailable("the context is being changed by too many at once")

    def _write(
        self, session: Session, call: Call, evidence: Evidence
    ) -> tuple[Outcome, repository.Moved | None, Levels | None]:
        if (deferred := self._offline.deferred(call)) is not None:
            return Outcome(deferred, repeated=True), None, None
        found = repository.find(session, call.context)
        body = answer_repository.find(session, call.context, call.key) if call.key is not None else None
        if body is not None:
            return Outcome(Answer.from_json(body), repeated=True), None, None
        if found is not None:
            pacing_check.check(found.inspected_at, found.interval_ms / 1000, call.at, self._clock.now())
        before = unpack(found, call.context) if found is not None else None
        begun = before is not None and bool(before.cameras)
        start = None if begun else self._start_of(session, call.context.id)
        memory = start.memory if start else None
        outcome, moved = judge(
            before, call.with_levels(found), evidence, memory, pacer=self._pacer, now=self._clock.now()
        )
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
