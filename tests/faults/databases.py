"""Taking a real database away, and giving it back: paused, refusing, locked, full."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from sqlalchemy import create_engine, event, make_url, text

from layerwatch.storage import Database


@contextmanager
def paused(database: Database) -> Iterator[None]:
    """PostgreSQL's processes are stopped: connections stay open, nothing answers."""
    processes = _server_processes(database)
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


@contextmanager
def refusing(database: Database) -> Iterator[None]:
    """PostgreSQL ends every connection to the database and lets none in."""
    name = database.engine.url.database
    admin = create_engine(
        make_url(database.engine.url).set(database="postgres"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
        try:
            yield
        finally:
            connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
    admin.dispose()


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Another process holds SQLite's write lock."""
    other = sqlite3.connect(str(database.engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def full(database: Database) -> Iterator[None]:
    """SQLite's disk is full: the file may not grow by a page ("database or disk is full")."""
    # 1 is raised to the present size.
    with _set(database, "PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000000"):
        yield


@contextmanager
def read_only(database: Database) -> Iterator[None]:
    """SQLite may only be read ("attempt to write a readonly database")."""
    with _set(database, "PRAGMA query_only = ON", "PRAGMA query_only = OFF"):
        yield


@contextmanager
def _set(database: Database, during: str, after: str) -> Iterator[None]:
    """Run `during` on every connection that is checked out inside, `after` on every one afterwards."""

    def begin(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(during)

    def end(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(after)

    event.listen(database.engine, "checkout", begin)
    try:
        yield
    finally:
        event.remove(database.engine, "checkout", begin)
        event.listen(database.engine, "checkout", end)


def _server_processes(database: Database) -> list[psutil.Process]:
    with database.engine.connect() as connection:
        backend = psutil.Process(int(connection.scalar(text("SELECT pg_backend_pid()")) or 0))
    postmaster = backend.parent()
    assert postmaster is not None
    return [postmaster, *postmaster.children(recursive=True)]
