"""Process calls while the database is away: answered from what is remembered of the print, booked later."""

from __future__ import annotations

import secrets

from layerwatch.contexts import pacing_check
from layerwatch.contexts.answer import Answer
from layerwatch.contexts.call import Call, Outcome
from layerwatch.contexts.judging import judge, unpack
from layerwatch.contexts.offline.cache import OfflineCache
from layerwatch.contexts.offline.deferred_inspection import DeferredInspection
from layerwatch.contexts.offline.ledger import OfflineLedger
from layerwatch.core.clock import Clock
from layerwatch.pacing.pacer import Pacer
from layerwatch.storage import StorageUnavailable
from layerwatch.vision.evidence import Evidence


class OfflineCalls:
    """Admits and concludes calls without the database. cache: kept up to date with it while it is there."""

    def __init__(self, ledger: OfflineLedger, pacer: Pacer, clock: Clock) -> None:
        self.cache = OfflineCache()
        self._ledger = ledger
        self._pacer = pacer
        self._clock = clock

    def deferred(self, call: Call) -> Answer | None:
        """The answer that a process of this node gave under the call's key and that is not booked yet.

        To be read before the database: an answer leaves the disk after it was committed.
        """
        body = self._ledger.answers.find(call.context.id, call.key) if call.key is not None else None
        return Answer.from_json(body) if body is not None else None

    async def admit(self, call: Call) -> Answer | None:
        """The stored answer if this call repeats one; else None if it may go on. Raises TooSoon."""
        if call.key is not None:
            promised = self.cache.promised(call.context.id, call.key)
            if promised is not None:
                return await promised
        if (deferred := self.deferred(call)) is not None:
            return deferred
        last = self.cache.last(call.context.id)
        if last is not None:
            pacing_check.check(last.inspected_at, last.interval_ms / 1000, call.at, self._clock.now())
        return None

    async def conclude(self, call: Call, evidence: Evidence) -> Outcome:
        """Take the evidence into the print's state, and keep the answer and the charge on the disk.

        Raises TooSoon, and StorageUnavailable when the disk does not take them.
        """
        repeated = await self.admit(call)
        if repeated is not None:
            return Outcome(repeated, repeated=True)
        found = self.cache.last(call.context.id)
        state = unpack(found, call.context) if found is not None else None
        outcome, moved = judge(
            state, call.with_levels(found), evidence, pacer=self._pacer, now=self._clock.now()
        )
        answer = outcome.answer
        # Before the disk has it: another call on this print that comes meanwhile is an early one, or waits.
        before = self.cache.remember(call.context.id, moved, found.levels if found is not None else None)
        if call.key is not None:
            self.cache.promise(call.context.id, call.key)
        body = answer.to_json() if call.key is not None else None
        unit = DeferredInspection(
            secrets.token_hex(16), call.context, call.caller, call.at, call.key, body, moved
        )
        try:
            there = await self._ledger.keep(unit)
        except BaseException as error:
            if isinstance(
                error, Exception
            ):  # else cancelled: the disk's thread finishes, and the unit counts
                self.cache.put_back(call.context.id, before)
            if call.key is not None:
                self.cache.withdraw(call.context.id, call.key, StorageUnavailable("the answer was not kept"))
            raise
        if there is not None:
            self.cache.put_back(call.context.id, before)
            outcome = Outcome(Answer.from_json(there), repeated=True)
        if call.key is not None:
            self.cache.kept(call.context.id, call.key, outcome.answer)
        return outcome
