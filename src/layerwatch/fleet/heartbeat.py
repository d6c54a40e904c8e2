"""What nodes tell each other through the database: heartbeats, regions, draining."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy.orm import Session

from layerwatch.fleet import repository
from layerwatch.fleet.region_router import Region, RegionRouter
from layerwatch.pacing.call_schedule import Prints
from layerwatch.storage import DatabaseGateway, StorageError

log = structlog.get_logger(__name__)

HEARTBEAT = 5.0
"""Seconds between heartbeats."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a node says of itself."""

    capacity: float
    prints: Prints


class Heartbeat:
    """Tells the fleet of this node, and keeps what it hears of the others in `router`.

    identity: the same for each process that follows another in the same place.
    Times are the machine's, not the print clock's: heartbeats are about processes.
    """

    def __init__(
        self,
        reach: DatabaseGateway,
        router: RegionRouter,
        *,
        identity: str,
        region: str,
        url: str,
        numbers: Callable[[], Numbers],
    ) -> None:
        self._reach = reach
        self._router = router
        self._region = region
        self._url = url
        self._numbers = numbers
        self._id = identity

    async def inherit(self) -> tuple[Numbers, float] | None:
        """What the process that ran here before said last, and how many seconds ago; None if there was none,
        or the database does not say."""

        def find(session: Session) -> tuple[Numbers, float] | None:
            node = repository.find_node(session, self._id)
            if node is None:
                return None
            prints = Prints(node.healthy, node.suspicious)
            return Numbers(node.capacity, prints), (datetime.now(UTC) - node.seen_at).total_seconds()

        with suppress(StorageError):
            return await self._reach.read_async(find)
        return None

    async def beat(self) -> None:
        """One heartbeat. Raises StorageError while the database is away; what was heard last then holds."""
        numbers = self._numbers()

        def work(session: Session) -> list[Region]:
            now = datetime.now(UTC)
            repository.write_heartbeat(
                session,
                id=self._id,
                region=self._region,
                url=self._url,
                capacity=numbers.capacity,
                healthy=numbers.prints.healthy,
                suspicious=numbers.prints.suspicious,
                seen_at=now,
            )
            return repository.regions(session, now)

        self._router.learn(await self._reach.write_async(work))

    async def beat_forever(self, period: float = HEARTBEAT) -> None:
        """A heartbeat every `period` seconds."""
        while True:
            try:
                await self.beat()
            except StorageError as error:
                log.info("heartbeat_missed", why=str(error))
            await asyncio.sleep(period)

    async def stop(self) -> None:
        """Say that this node ends, so that no print is sent to it any more. Its numbers stay for the next."""

        def leave(session: Session) -> None:
            repository.seen(session, self._id, datetime.now(UTC) - repository.OFFLINE_GRACE)

        try:
            await self._reach.write_async(leave)
        except StorageError as error:
            log.info("leaving_unheard", why=str(error))
