"""The database as live calls use it: with patience that ends, and a memory of being out of reach.

A database that is stopped, cut off or locked does not fail: it hangs. So each piece of work gets `PATIENCE`
seconds. Work that is given up is forbidden to commit, so that it is certain not to have happened and may be
done another way. Once the database was found away, no call waits for it again until someone says it is back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy import event
from sqlalchemy.orm import Session

from layerwatch.storage.database import Database
from layerwatch.storage.errors import OutcomeUnknown, StorageUnavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that a call waits for the database. Its own work takes milliseconds; a failover about a second."""


class Reach:
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
        self._refuse_if_away()
        try:
            return await asyncio.wait_for(self.database.look(work), self.patience)
        except (TimeoutError, StorageUnavailable) as error:
            self.gone(_say(error))
            raise StorageUnavailable(_say(error)) from error

    async def run(self, work: Callable[[Session], T]) -> T:
        """`Database.run` with patience.

        Raises StorageUnavailable when nothing was committed nor will be, at once while the database is away;
        OutcomeUnknown when the commit was on its way and nobody can tell.
        """
        self._refuse_if_away()
        ticket = _Ticket()

        def guarded(session: Session) -> T:
            result = work(session)
            event.listen(session, "before_commit", ticket.commits)
            return result

        try:
            return await asyncio.wait_for(self.database.run(guarded), self.patience)
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

    def commits(self, _: Session) -> None:
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
