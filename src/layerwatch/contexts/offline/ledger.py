"""Going on without the database: inspections are kept in a local spool and booked when it is back.

An answer is given only after its unit is on the disk. While the database is away the spool grows; a loop
tries the database, books everything in order, and only when nothing is left lets live calls use it again.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from layerwatch.contexts.answer import Announce
from layerwatch.contexts.offline.deferred_inspection import DeferredInspection
from layerwatch.contexts.offline.reconcile import LateCharge, book, tidy
from layerwatch.contexts.offline.shared_answers import SharedAnswers
from layerwatch.contexts.offline.spool import Spool
from layerwatch.core.clock import Clock
from layerwatch.storage import DatabaseGateway, StorageError, StorageUnavailable

log = structlog.get_logger(__name__)

PROBE_INTERVAL_S = 0.5
"""Seconds between connection attempts while the database is away; calls do not wait for them."""

BATCH = 250
"""Units booked in one transaction: some tens of milliseconds, in about ten statements."""

MAX_BOOKING_ATTEMPTS = 5
"""How often booking is tried when other nodes book the same contexts at the same time."""


class OfflineLedger:
    """The spool, and the loop that empties it. charge: books a unit, whatever the allowance is by then.

    announce: called when a warning or a suggested pause began in what is booked.
    answers: those that are not in the database yet, shared with the other processes of this node.
    """

    def __init__(
        self,
        reach: DatabaseGateway,
        spool: Spool,
        answers: SharedAnswers,
        charge: LateCharge,
        announce: Announce,
        clock: Clock,
    ) -> None:
        self.reach = reach
        self.answers = answers
        self._spool = spool
        self._charge = charge
        self._announce = announce
        self._clock = clock
        self._under_way = 0
        self._behind_since: float | None = None
        # Threads of its own: the database's may all hang in it.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="layerwatch-spool")
        self._booking = ThreadPoolExecutor(1, thread_name_prefix="layerwatch-replay")

    @property
    def waiting(self) -> int:
        """Units in the spool."""
        return self._spool.waiting

    @property
    def lag(self) -> float:
        """Seconds for which there have been units that are not booked; 0 if there are none."""
        if not self.waiting:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = time.monotonic()
        return 0.0 if self._behind_since is None else time.monotonic() - self._behind_since

    async def keep(self, unit: DeferredInspection) -> str | None:
        """Put a unit on the disk, with its answer if it has a key.

        Returns the answer that another process of this node gave under the same key meanwhile, if one did;
        then the unit is not kept. Raises StorageUnavailable if it cannot be kept: then the call fails.
        """
        self._under_way += 1
        try:
            there = await asyncio.get_running_loop().run_in_executor(self._disk, self._write, unit)
        except OSError as error:
            log.error("spool_failed", why=error.strerror or str(error))
            raise StorageUnavailable("neither the database nor the local spool can be written") from error
        finally:
            self._under_way -= 1
        if there is None and self._behind_since is None:
            self._behind_since = time.monotonic()
        return there

    def _write(self, unit: DeferredInspection) -> str | None:
        if unit.key is None or unit.body is None:
            self._spool.append(unit.to_line())
            return None
        return self.answers.keep(
            unit.context.id, unit.key, unit.body, lambda: self._spool.append(unit.to_line())
        )

    async def catch_up(self) -> None:
        """Book what earlier processes left behind. For the start, before the first call."""
        with suppress(OSError):
            self._spool.adopt()
        await asyncio.to_thread(self.answers.sweep)
        if self.waiting:
            log.warning("booking_left_units", units=self.waiting)
            with suppress(StorageError, SQLAlchemyError):
                await self._book_all()
            if self.waiting:
                self.reach.gone("units of an earlier outage could not be booked yet")

    async def mend_forever(self) -> None:
        """Whenever the database went away: wait for it, book the spool, and let calls use it again."""
        while True:
            await self.reach.lost.wait()
            await asyncio.sleep(PROBE_INTERVAL_S)
            try:
                await self._book_all()
            except (StorageError, SQLAlchemyError, OSError):
                continue
            if not self.waiting and not self._under_way:
                self.reach.found()

    def close(self) -> None:
        """Release the threads and the file. The spool's contents stay for the next start."""
        self._disk.shutdown(wait=True)
        self._booking.shutdown(wait=False, cancel_futures=True)
        self._spool.close()

    async def _book_all(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._booking, self._empty)

    def _empty(self) -> None:
        """In the replay's thread: book until nothing is left."""
        database = self.reach.database
        database.transact(tidy, self._clock.now())
        while lines := self._spool.next(BATCH):
            try:
                self._book(lines)
            except (StorageError, OSError):
                raise
            except Exception:
                # One of them cannot be booked at all; it must not hold up the others.
                for line in lines:
                    self._book_or_reject(line)
            self._spool.replayed(lines)
        self.answers.sweep()

    def _book(self, lines: list[bytes]) -> None:
        units = [DeferredInspection.from_line(line) for line in lines]
        now = self._clock.now()
        for look in range(1, MAX_BOOKING_ATTEMPTS + 1):
            try:
                self.reach.database.transact(book, units, self._charge, self._announce, now)
                break
            except IntegrityError:
                if look == MAX_BOOKING_ATTEMPTS:
                    raise
        for unit in units:
            if unit.key is not None:
                self.answers.forget(unit.context.id, unit.key)

    def _book_or_reject(self, line: bytes) -> None:
        try:
            self._book([line])
        except (StorageError, OSError):
            raise
        except Exception as error:
            log.error("unit_rejected", why=type(error).__name__)
            self._spool.reject(line, type(error).__name__)
