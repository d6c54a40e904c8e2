"""The database as live calls use it: with patience that ends, and a memory of being out of reach.

A database that is stopped, cut off or locked does not fail: it hangs. So each piece of work gets `PATIENCE`
seconds. Work that is given up is forbidden to commit, so that it is certain not to have happened and may be
done another way. Once the database was found away, no call waits for it again until someone says it is back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog
from sqlalchemy.orm import Session

from layerwatch.storage.database import Database
from layerwatch.storage.errors import OutcomeUnknown, StorageUnavailable
from layerwatch.storage.transaction import Transaction

log = structlog.get_logger(__name__)

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that a call waits for the database. Its own work takes milliseconds; a failover about a second."""


class DatabaseGateway:
    """Whether the database is within reach, and work on it while it is. Used from one event loop."""

    def __init__(self, database: Database, *, patience: float = PATIENCE) -> None:
        self.database = database
        self.patience = patience
        self.lost = asyncio.Event()
        """Set while the database is away."""

    @property
    def away(self) -> bool:
        """Whether the database was found away and has not been found again."""
        return self.lost.is_set()

    def found(self) -> None:
        """The database is back, and everything that was done without it is in it."""
        if self.away:
            self.lost.clear()
            log.warning("database_back")

    def gone(self, why: str) -> None:
        """The database is away."""
        if not self.away:
            self.lost.set()
            log.error("database_away", why=why)

    async def look(self, work: Callable[[Session], T]) -> T:
        """`Database.look` with patience. Raises StorageUnavailable at once while the database is away."""
        return await self._patiently(lambda: self.database.look(work))

    async def ask(self, work: Callable[[Database], T]) -> T:
        """`work(database)`, in one of its threads, with patience. It must only read. Raises as `look`."""
        return await self._patiently(lambda: self.database.in_thread(lambda: work(self.database)))

    async def _patiently(self, asking: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self._refuse_if_away()
        try:
            async with asyncio.timeout(self.patience):
                return await asking()
        except (TimeoutError, StorageUnavailable) as error:
            self.gone(_say(error))
            raise StorageUnavailable(_say(error)) from error

    async def run(self, work: Callable[[Session], T]) -> T:
        """`Database.run` with patience. Raises as `settle`."""
        return await self.settle(lambda transaction: work(transaction.session))

    async def settle(self, work: Callable[[Transaction], T]) -> T:
        """`Database.settle` with patience.

        Raises StorageUnavailable when nothing was committed nor will be, at once while the database is away;
        OutcomeUnknown when the commit was on its way and nobody can tell.
        """
        self._refuse_if_away()
        ticket = _Ticket()
        try:
            async with asyncio.timeout(self.patience):
                return await self.database.in_thread(lambda: self.database.settle(work, ticket.commits))
        except TimeoutError as late:
            self.gone(_say(late))
            if ticket.abandon():
                raise StorageUnavailable(_say(late)) from late
            raise OutcomeUnknown("the database did not confirm the commit") from late
        except StorageUnavailable as error:
            self.gone(_say(error))
            # A commit that SQLite refused did not happen. A server's may have, and only its answer was lost.
            if ticket.committing and not self.database.is_sqlite:
                raise OutcomeUnknown("the database did not confirm the commit") from error
            raise

    def _refuse_if_away(self) -> None:
        if self.away:
            raise StorageUnavailable("the database is away")


class _Ticket:
    """Leave to commit, which can be taken back until it is used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._abandoned = False
        self.committing = False

    def commits(self) -> None:
        """Called in the database's thread right before the commit."""
        with self._lock:
            if self._abandoned:
                raise StorageUnavailable("given up before the commit")
            self.committing = True

    def abandon(self) -> bool:
        """Take the leave back; False if it is being used."""
        with self._lock:
            if self.committing:
                return False
            self._abandoned = True
            return True


def _say(error: Exception) -> str:
    return str(error) or "the database does not answer"
