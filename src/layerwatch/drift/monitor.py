"""Counts pictures on a running server and compares the newest with those of the weeks before."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from sqlalchemy.orm import Session

from layerwatch.drift import repository
from layerwatch.drift.counts import DriftCounts, Shift
from layerwatch.drift.repository import Key
from layerwatch.prints.repository import printers_of
from layerwatch.storage import DatabaseGateway, StorageError

log = structlog.get_logger(__name__)

PERIOD_S = 60.0
COMPARE_EVERY = 10
"""Periods between two comparisons."""

MAX_WAITING = 20_000
"""Prints, each with a model and a kind of camera, that are counted between two writes; pictures of more are
not counted."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One answered picture. model: version.  probability: of a failure, 0..1.  alarm: whether its answer
    warned or suggested a pause."""

    context_id: str
    account_id: int
    model: str
    camera_kind: str
    probability: float
    condition: str
    alarm: bool


class DriftGauges(Protocol):
    """Where the figures are shown."""

    def scored(self, model: str, camera: str, probability: float, condition: str, *, alarm: bool) -> None: ...

    def drifted(self, model: str, camera: str, scores: float, conditions: float) -> None:
        """Two population stability indices."""
        ...


class DriftMonitor:
    """Counts in memory, writes every `PERIOD_S`, compares every `COMPARE_EVERY` periods."""

    def __init__(self, gateway: DatabaseGateway, gauges: DriftGauges, now: Callable[[], datetime]) -> None:
        self._gateway = gateway
        self._gauges = gauges
        self._now = now
        self._waiting: dict[tuple[str, int, str, str], DriftCounts] = {}

    def saw(self, one: Sighting) -> None:
        """Count a picture. Never waits, never fails."""
        self._gauges.scored(one.model, one.camera_kind, one.probability, one.condition, alarm=one.alarm)
        key = (one.context_id, one.account_id, one.model, one.camera_kind)
        counts = self._waiting.get(key)
        if counts is None:
            if len(self._waiting) >= MAX_WAITING:
                return
            counts = self._waiting[key] = DriftCounts()
        counts.add(one.probability, one.condition, alarm=one.alarm)

    async def write(self) -> None:
        """Write what was counted. Raises StorageError; nothing is lost then."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            await self._gateway.write_async(_write, repository.day_of(self._now()), waiting)
        except StorageError:
            for key, counts in waiting.items():
                counts.merge(self._waiting.get(key, DriftCounts()))
                self._waiting[key] = counts
            raise

    async def compare(self) -> None:
        """Show how the newest pictures differ, and forget old counts. Raises StorageError."""
        day = repository.day_of(self._now())
        for key, shift in await self._gateway.read_async(_of_all, day):
            self._gauges.drifted(key.model, key.camera_kind, shift.scores, shift.conditions)
        while await self._gateway.write_async(repository.delete_old, day):
            pass

    async def run_forever(self) -> None:
        """Write and compare until cancelled."""
        period = 0
        while True:
            try:
                await self.write()
                if period % COMPARE_EVERY == 0:
                    await self.compare()
            except StorageError as error:
                log.info("drift_not_written", why=str(error))
            period += 1
            await asyncio.sleep(PERIOD_S)


def _of_all(session: Session, day: int) -> list[tuple[Key, Shift]]:
    return repository.shifts(session, day, printers=False)


def _write(session: Session, day: int, waiting: dict[tuple[str, int, str, str], DriftCounts]) -> None:
    """Counts by print → rows of all pictures and of each printer."""
    printers = printers_of(session, {context for context, *_ in waiting})
    rows: defaultdict[Key, DriftCounts] = defaultdict(DriftCounts)
    for (context, account, model, camera_kind), counts in waiting.items():
        rows[Key(model, camera_kind)].merge(counts)
        if printer := printers.get(context):
            rows[Key(model, camera_kind, account, printer)].merge(counts)
    repository.add(session, day, rows)
