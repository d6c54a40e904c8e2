"""The database as live calls use it: with a timeout, and a record of whether it can be reached.

A database that is stopped, cut off or locked does not fail: it hangs. So each piece of work gets
`CALL_TIMEOUT_S`. Work that is given up is forbidden to commit, so that it is certain not to have happened and
may be done another way. Once the database was found away, no call waits for it until `found` is called.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from layerwatch.storage.database import Database
from layerwatch.storage.errors import OutcomeUnknown, StorageUnavailable

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

CALL_TIMEOUT_S = 5.0
"""Seconds that a call waits for the database. Its own work takes milliseconds; a failover about a second."""


class DatabaseGateway:
    """Whether the database is within reach, and work on it while it is. Used from one event loop."""

    def __init__(self, database: Database, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        self.database = database
        self.timeout_s = timeout_s
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

    async def read_async(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`Database.read_async` within `timeout_s`. Raises StorageUnavailable, at once while it is away."""
        return await self._in_time(lambda: self.database.read_async(work, *args, **kwargs))

    async def lookups_async(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`Database.lookups_async` within `timeout_s`. Raises as `read_async`."""
        return await self._in_time(lambda: self.database.lookups_async(work, *args, **kwargs))

    async def _in_time(self, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self._refuse_if_away()
        try:
            async with asyncio.timeout(self.timeout_s):
                return await read()
        except (TimeoutError, StorageUnavailable) as error:
            self.gone(_say(error))
            raise StorageUnavailable(_say(error)) from error

    async def write_async(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`Database.write_async` within `timeout_s`.

        Raises StorageUnavailable when nothing was committed nor will be, at once while the database is away;
        OutcomeUnknown when the commit was sent and its outcome cannot be known.
        """
        self._refuse_if_away()
        ticket = _Ticket()

        def permitted(session: Session) -> T:
            result = work(session, *args, **kwargs)
            session.flush()
            ticket.commits()
            return result

        try:
            async with asyncio.timeout(self.timeout_s):
                return await self.database.write_async(permitted)
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
    """Permission to commit, which can be withdrawn until it is used."""

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
        """Withdraw the permission; False if it is already used."""
        with self._lock:
            if self.committing:
                return False
            self._abandoned = True
            return True


def _say(error: Exception) -> str:
    return str(error) or "the database does not answer"
