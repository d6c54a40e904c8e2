"""Clearing away contexts whose 14 days are over, and their stored answers.

On PostgreSQL a day's partition is dropped whole; rows are deleted only from the default partition, which is
empty as a rule. On SQLite rows are deleted, a few at a time.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.orm import Session

from layerwatch.contexts.context_id import LIFETIME
from layerwatch.contexts.offline.reconcile import tidy
from layerwatch.core.clock import Clock, ClockGuard
from layerwatch.storage import Database, StorageError, partitions

log = structlog.get_logger(__name__)

TABLES = {"contexts": ("id",), "answers": ("context_id", "key")}
"""Tables that are swept, and what tells their rows apart."""

BATCH = 500
"""Rows of each table in one transaction: a few milliseconds, so that no call waits for a sweep."""

SWEEP_INTERVAL_S = 600.0
"""Seconds between sweeps. An expired context is refused by its id at once; the sweep only frees space."""


def make_room(database: Database, now: datetime) -> None:
    """Make the partitions of the next days."""
    for name in TABLES:
        database.transact(partitions.make_ahead, name, LIFETIME, now)


def drop_days(database: Database, now: datetime) -> list[str]:
    """Drop the partitions of days that are over; their names."""
    dropped: list[str] = []
    for name in TABLES:
        while gone := database.transact(partitions.drop_next_expired, name, now):
            dropped.append(gone)
    return dropped


def sweep(session: Session, now: datetime) -> int:
    """Delete at most `BATCH` expired rows of each table that are in no day's partition; how many went."""
    return sum(partitions.delete_expired(session, name, keys, now, BATCH) for name, keys in TABLES.items())


class Sweeper:
    """Sweeps, unless the clock was just set. speed: of the clock; monotonic: real seconds.

    also: what else is cleared away at such a time.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        speed: float = 1.0,
        monotonic: Any = time.monotonic,
        also: Callable[[datetime], None] = lambda now: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._guard = ClockGuard(speed=speed, monotonic=monotonic)
        self._begins = True
        self._also = also

    async def turn(self) -> None:
        """One sweep. Raises StorageError."""
        now = self._clock.now()
        await asyncio.to_thread(make_room, self._database, now)
        trusted = self._guard.trusts(now)
        if self._begins:  # a start says nothing of the clock
            self._begins = False
            return
        if not trusted:  # 14 days of prints are not lost by one wrong setting
            log.warning("sweep_waits_for_clock", now=now.isoformat())
            return
        dropped = await asyncio.to_thread(drop_days, self._database, now)
        if dropped:
            log.info("days_dropped", partitions=dropped)
        more = True
        while more:
            more = await self._database.write_async(sweep, now) >= BATCH
        await self._database.write_async(tidy, now)
        await asyncio.to_thread(self._also, now)


async def sweep_forever(
    database: Database,
    clock: Clock,
    period: float = SWEEP_INTERVAL_S,
    speed: float = 1.0,
    also: Callable[[datetime], None] = lambda now: None,
) -> None:
    """Sweep every `period` real seconds, give or take a quarter so that nodes do not march in step."""
    sweeper = Sweeper(database, clock, speed=speed, also=also)
    while True:
        try:
            await sweeper.turn()
        except StorageError as error:
            log.warning("sweep_failed", why=str(error))
        await asyncio.sleep(period * random.uniform(0.75, 1.25))
