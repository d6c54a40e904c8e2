"""The database as the domains see it: transactions, retries, threads, migrations."""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from layerwatch.storage import engines
from layerwatch.storage.errors import StorageUnavailable
from layerwatch.storage.migrate import upgrade

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 5
"""How often one piece of work is tried before its conflict is given up as StorageUnavailable."""

_WRITER_TIMEOUT_S = 15.0
"""Seconds a SQLite writer waits for the writers before it in this process."""


class Database:
    """One database and the threads that talk to it.

    url: `sqlite:///path/to/file`, or `postgresql://user@host/name` (psycopg 3).
    threads: how many transactions of `read_async` and `write_async` run at once.
    Raises ValueError for an address of any other kind.
    """

    def __init__(self, url: str, *, threads: int = 4) -> None:
        self.engine = engines.connect(url, connections=threads + 4)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._reading = self.engine.execution_options(layerwatch_reads=True)
        self._lookups = engines.for_lookups(self.engine)
        # SQLite has one writer at a time and makes others poll; queueing here is fair and wakes at once.
        self._writer = threading.Lock() if self.is_sqlite else None
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="layerwatch-storage")

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed at the end of the block, rolled back if the block raises.

        Not retried after a conflict (see `transact`). Not to be nested: the inner one would wait for the
        outer one. Raises StorageUnavailable when the
        database cannot be reached or written, or another writer does not finish.
        """
        with (
            self._turn(),
            _translated(),
            Session(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads. Never waits for a writer; what is written in it is not kept.

        Rows that were read keep their values after the block.
        """
        with _translated(), Session(self._reading) as session:
            try:
                yield session
            finally:
                session.expunge_all()  # a rollback would expire them
                with suppress(DBAPIError):
                    session.rollback()

    @contextmanager
    def lookups(self) -> Iterator[Connection]:
        """A connection for `driver_sql.fetch_row` outside of a transaction: each row is read at its own time.

        For what is read with every call, in a quarter of the time of `read`. Raises StorageUnavailable.
        """
        with _translated(), self._lookups.connect() as connection:
            try:
                yield connection
            except DBAPIError:
                connection.invalidate()
                raise

    def transact(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(session, *args, **kwargs)` in a transaction, again from the start after a conflict.

        Retried: serialisation failures, deadlocks, a locked SQLite file, and a connection lost before the
        commit was sent. Never retried: a failure of the commit itself, whose outcome is not known.
        So `work` must have no effect but through its session. Raises StorageUnavailable as `write` does.
        """
        for attempt in range(1, ATTEMPTS + 1):
            committing = False
            with self._turn(), _translated():
                try:
                    with Session(self.engine, expire_on_commit=False) as session:
                        result = work(session, *args, **kwargs)
                        session.flush()
                        committing = True
                        session.commit()
                    return result
                except DBAPIError as error:
                    if attempt == ATTEMPTS or not engines.may_retry(error, committing):
                        raise
            time.sleep(random.uniform(0.5, 1.5) * 0.01 * 2**attempt)
        raise AssertionError("unreachable")

    async def read_async(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`work(session, *args, **kwargs)` with a `read` session, in one of the database's threads."""

        def reading() -> T:
            with self.read() as session:
                return work(session, *args, **kwargs)

        return await self._in_thread(reading)

    async def lookups_async(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`work(connection, *args, **kwargs)` with `lookups`, in one of the database's threads."""

        def looking_up() -> T:
            with self.lookups() as connection:
                return work(connection, *args, **kwargs)

        return await self._in_thread(looking_up)

    async def write_async(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`transact` in one of the database's threads, so that the event loop is not blocked.

        A cancelled caller does not undo it: once begun, the transaction ends by itself.
        """
        return await self._in_thread(lambda: self.transact(work, *args, **kwargs))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        # With the caller's context, so that log lines and spans belong to its request.
        run = contextvars.copy_context().run
        return await asyncio.get_running_loop().run_in_executor(self._threads, run, work)

    def migrate(self) -> None:
        """Bring the tables to this version. Safe when several processes start at once."""
        with _translated():
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return upgrade(self.engine)
                except OperationalError:
                    # A new SQLite file refuses at once, without its usual patience, while another process
                    # switches it to WAL.
                    if not self.is_sqlite or attempt == ATTEMPTS:
                        raise
                    time.sleep(random.uniform(0.5, 1.5) * 0.2 * attempt)

    def close(self) -> None:
        """Finish pending work, then release the threads and connections."""
        self._threads.shutdown(wait=True)
        self.engine.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._writer is None:
            yield
            return
        if not self._writer.acquire(timeout=_WRITER_TIMEOUT_S):
            raise StorageUnavailable("the database is busy: another writer has not finished")
        try:
            yield
        finally:
            self._writer.release()


@contextmanager
def _translated() -> Iterator[None]:
    """Turn 'cannot be reached, is locked, full or read-only' into StorageUnavailable."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        if isinstance(error, DBAPIError) and not engines.is_unavailable(error):
            raise
        raise StorageUnavailable(f"the database is not available: {type(error).__name__}") from error
