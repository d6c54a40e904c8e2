"""What nodes tell each other through the database: heartbeats, regions, draining."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from layerwatch.fleet.models import Draining, Node
from layerwatch.fleet.region_router import Region, RegionRouter
from layerwatch.pacing.call_schedule import Prints
from layerwatch.storage import DatabaseGateway, StorageError

log = structlog.get_logger(__name__)

HEARTBEAT = 5.0
"""Seconds between heartbeats."""

OFFLINE_GRACE = timedelta(seconds=20)
"""A node without a heartbeat for this long gets no new prints: three heartbeats and a slow database."""

FORGET_AFTER = timedelta(hours=1)
"""A node without a heartbeat for this long is forgotten."""


def describe(session: Session, node: Node) -> None:
    """Write a node's heartbeat, in place of its last one."""
    session.merge(node)
    session.execute(delete(Node).where(Node.seen_at < node.seen_at - FORGET_AFTER))


def regions(session: Session, now: datetime) -> list[Region]:
    """Every region with a node that was heard lately, its nodes added up, in order of name."""
    draining = set(session.scalars(select(Draining.region)))
    rows = session.execute(
        select(
            Node.region,
            func.max(Node.url),
            func.sum(Node.capacity),
            func.sum(Node.healthy),
            func.sum(Node.suspicious),
        )
        .where(Node.seen_at > now - OFFLINE_GRACE)
        .group_by(Node.region)
        .order_by(Node.region)
    )
    return [
        Region(name, url, float(capacity), Prints(float(healthy), float(suspicious)), name in draining)
        for name, url, capacity, healthy, suspicious in rows
    ]


def drain(session: Session, region: str, now: datetime) -> None:
    """Give the region no new prints. It goes on serving those that it has."""
    session.merge(Draining(region=region, since=now))


def undrain(session: Session, region: str) -> bool:
    """Give the region new prints again; False if it was not draining."""
    row = session.get(Draining, region)
    if row is not None:
        session.delete(row)
    return row is not None


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
            node = session.get(Node, self._id)
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
            describe(
                session,
                Node(
                    id=self._id,
                    region=self._region,
                    url=self._url,
                    capacity=numbers.capacity,
                    healthy=numbers.prints.healthy,
                    suspicious=numbers.prints.suspicious,
                    seen_at=now,
                ),
            )
            session.flush()
            return regions(session, now)

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
            silent = datetime.now(UTC) - OFFLINE_GRACE
            session.execute(update(Node).where(Node.id == self._id).values(seen_at=silent))

        try:
            await self._reach.write_async(leave)
        except StorageError as error:
            log.info("leaving_unheard", why=str(error))
