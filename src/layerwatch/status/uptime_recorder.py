"""What a node notes of itself for the status page: that it lived, and how its calls went, by the minute.

It is kept in memory and added to the region's row of the hour once a minute; while the database is away it
waits, so that an outage of the database does not look like one of the region.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from layerwatch.status import repository
from layerwatch.status.repository import MINUTES
from layerwatch.storage import DatabaseGateway, StorageError

log = structlog.get_logger(__name__)

SAMPLE_INTERVAL_S = 5.0
"""Seconds between two samples that the node is up."""

WRITE_INTERVAL_S = 60.0
"""Seconds between two writes to the database."""

RETENTION = timedelta(days=90)
"""The period that the status page shows."""

MAX_BUFFERED_HOURS = 48
"""Hours that a node buffers while the database is away; older ones are dropped."""

MIN_CALLS_PER_MINUTE = 10
"""With fewer calls in a minute, shares of refused and failed calls are not evaluated."""

TOO_MANY_FAILED = 0.01
TOO_MANY_REFUSED = 0.05

LIMITS_MS = (50, 100, 200, 500, 1000, 2000)
TIMES = (*(f"within_{limit}" for limit in LIMITS_MS), "longer")


@dataclass(slots=True)
class Hour:
    """One hour's numbers; see `StatusHour`. times: answers by the limits of `LIMITS_MS`."""

    up: int = 0
    away: int = 0
    failing: int = 0
    refusing: int = 0
    answered: int = 0
    refused: int = 0
    failed: int = 0
    times: list[int] = field(default_factory=lambda: [0] * len(TIMES))


@dataclass(slots=True)
class _Minute:
    began: datetime
    answered: int = 0
    refused: int = 0
    failed: int = 0


class UptimeRecorder:
    """One node's notes. away: whether the database is, now.  now: real time. Used from one event loop."""

    def __init__(
        self, region: str, away: Callable[[], bool], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._region = region
        self._away = away
        self._now = now
        self._hours: dict[datetime, Hour] = {}
        self._minute = _Minute(_of_minute(now()))

    def called(self, status: int, seconds: float, *, crashed: bool) -> None:
        """A detection call was answered. What its sender did wrong counts as answered."""
        self._turn(self._now())
        if crashed:
            self._minute.failed += 1
        elif status == 503:
            self._minute.refused += 1
        else:
            self._minute.answered += 1
            self._hour(self._minute.began).times[bisect_left(LIMITS_MS, seconds * 1000)] += 1

    def lives(self) -> None:
        """A sign of life."""
        now = self._now()
        self._turn(now)
        hour = self._hour(now)
        hour.up |= 1 << now.minute
        if self._away():
            hour.away |= 1 << now.minute

    def take(self) -> dict[datetime, Hour]:
        """What is not in the database yet. The caller writes it down, or gives it `back`."""
        self._turn(self._now())
        taken, self._hours = self._hours, {}
        return taken

    def back(self, hours: dict[datetime, Hour]) -> None:
        """It could not be written down."""
        for at, hour in hours.items():
            _add(self._hour(at), hour)
        for at in sorted(self._hours)[:-MAX_BUFFERED_HOURS]:
            del self._hours[at]

    async def write(self, reach: DatabaseGateway) -> None:
        """Add what is new to the region's rows. Raises StorageError, and keeps it then."""
        hours = self.take()
        try:
            await reach.write_async(add, self._region, hours, self._now())
        except StorageError:
            self.back(hours)
            raise

    async def keep_forever(self, reach: DatabaseGateway) -> None:
        """Note signs of life, and write everything down once a minute."""
        wait = random.uniform(0, WRITE_INTERVAL_S)  # so that nodes do not write in step
        while True:
            self.lives()
            if wait <= 0:
                wait = WRITE_INTERVAL_S
                try:
                    await self.write(reach)
                except StorageError as error:
                    log.info("diary_waits", why=str(error))
            await asyncio.sleep(SAMPLE_INTERVAL_S)
            wait -= SAMPLE_INTERVAL_S

    def _hour(self, at: datetime) -> Hour:
        return self._hours.setdefault(at.replace(minute=0, second=0, microsecond=0), Hour())

    def _turn(self, now: datetime) -> None:
        """Close the minute when it is over."""
        minute = self._minute
        if now - minute.began < timedelta(minutes=1) and now >= minute.began:
            return
        hour, bit = self._hour(minute.began), 1 << minute.began.minute
        hour.answered += minute.answered
        hour.refused += minute.refused
        hour.failed += minute.failed
        calls = minute.answered + minute.refused + minute.failed
        if calls >= MIN_CALLS_PER_MINUTE and minute.failed > TOO_MANY_FAILED * calls:
            hour.failing |= bit
        if calls >= MIN_CALLS_PER_MINUTE and minute.refused > TOO_MANY_REFUSED * calls:
            hour.refusing |= bit
        self._minute = _Minute(_of_minute(now))


def add(session: Session, region: str, hours: dict[datetime, Hour], now: datetime) -> None:
    """Add a node's hours to its region's, and forget what is older than `RETENTION`."""
    repository.delete_before(session, now - RETENTION - timedelta(days=1))
    for at in sorted(hours):  # in one order, so that two nodes do not wait for each other
        repository.add_hour(session, region, at, _numbers(hours[at]))


def _numbers(hour: Hour) -> dict[str, int]:
    """The row's columns."""
    numbers = asdict(hour)
    return numbers | dict(zip(TIMES, numbers.pop("times"), strict=True))


def _add(into: Hour, more: Hour) -> None:
    for one in fields(Hour):
        mine, theirs = getattr(into, one.name), getattr(more, one.name)
        if one.name == "times":
            into.times = [a + b for a, b in zip(mine, theirs, strict=True)]
        else:
            setattr(into, one.name, mine | theirs if one.name in MINUTES else mine + theirs)


def _of_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
