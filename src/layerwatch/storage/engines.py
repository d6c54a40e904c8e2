"""How each kind of database is opened, and which of its failures may be tried again."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from layerwatch.core.private_files import create, private_folder, restrict

SQLITE_BUSY_MS = 5000
"""How long SQLite waits for another process's writer (the CLI beside the server)."""

POSTGRES_STATEMENT_MS = 10_000
"""PostgreSQL ends a statement after this; every statement of ours takes milliseconds."""

POSTGRES_CONNECT_S = 5

_CONFLICTS = {"40001", "40P01", "55P03"}  # serialization_failure, deadlock_detected, lock_not_available
_GOING_AWAY = {"57P01", "57P02", "57P03"}  # the server shuts down, crashed, is starting: a failover
_READ_ONLY = "25006"  # read_only_sql_transaction: a standby that was not promoted yet


def connect(url: str, *, connections: int) -> Engine:
    """An engine for the address; ValueError when it is none of the two kinds, or has no file."""
    parsed = make_url(url)
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return _sqlite(parsed, connections)
    if kind in ("postgresql", "postgres"):
        return _postgres(parsed, connections)
    raise ValueError(f"database {kind!r} is not supported: use sqlite:///FILE or postgresql://HOST/NAME")


def _sqlite(url: URL, connections: int) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ValueError("the SQLite database needs a file: sqlite:///path/to/layerwatch.sqlite3")
    files = [Path(url.database + end) for end in ("", "-wal", "-shm")]
    _make_private(files)
    engine = create_engine(url, pool_size=connections, max_overflow=0, hide_parameters=True)

    @event.listens_for(engine, "do_connect")
    def look_first(*_: Any) -> None:
        # SQLite would open it for reading, and then try for 10 s to make its shared memory. (Not by opening
        # the file ourselves: closing it would release every lock that this process has on it.)
        if any(file.exists() and not os.access(file, os.W_OK) for file in files):
            raise sqlite3.OperationalError("the database file may not be written")

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in (
            f"busy_timeout={SQLITE_BUSY_MS}",
            "journal_mode=WAL",
            # In WAL mode NORMAL survives a crash of the process whole; a power cut may undo the very
            # last commits but never tears one. It spares an SD card one flush a call.
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("layerwatch_reads", False)
        # Taking the write lock at once: a reader that turns writer half-way cannot be retried in place.
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    @event.listens_for(engine, "handle_error")
    def let_go(context: ExceptionContext) -> None:
        if _is_stuck(context.original_exception):
            context.is_disconnect = True

    return engine


def for_lookups(engine: Engine) -> Engine:
    """The same database by the same connections, where each statement stands for itself.

    On SQLite it has none of the listeners, whose dispatch costs more than a look-up of one row.
    """
    if engine.dialect.name == "sqlite":
        return create_engine(engine.url, pool=engine.pool, hide_parameters=True)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _make_private(files: list[Path]) -> None:
    """Mode 0600 for the database and what SQLite keeps beside it, which is made with the database's mode."""
    if not files[0].parent.exists():  # an existing one may be shared with others, as /tmp is
        private_folder(files[0].parent)
    with suppress(OSError):  # a disk that is full or read-only: SQLite says so itself
        create(files[0])
    for file in files[1:]:
        restrict(file)


def _postgres(url: URL, connections: int) -> Engine:
    try:
        import psycopg  # noqa: F401
    except ImportError as missing:
        raise ValueError("PostgreSQL needs its driver: pip install 'layerwatch[postgres]'") from missing
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_recycle=1800,
        pool_timeout=POSTGRES_CONNECT_S,
        connect_args={
            "connect_timeout": POSTGRES_CONNECT_S,
            "application_name": "layerwatch",
            # A network that drops packets must not hold a connection for the kernel's quarter of an hour.
            "keepalives_idle": POSTGRES_CONNECT_S,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": POSTGRES_STATEMENT_MS,
            "options": f"-c statement_timeout={POSTGRES_STATEMENT_MS} -c timezone=UTC",
        },
    )


def _is_stuck(error: BaseException) -> bool:
    """A SQLite file that could only be opened for reading stays so until its connection is closed."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the database cannot be reached or written now, whatever the work: away, full, read-only …"""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return getattr(error.orig, "sqlstate", None) == _READ_ONLY


def may_retry(error: DBAPIError, committing: bool) -> bool:
    """Whether the work may run again from the start without the risk of happening twice."""
    original = error.orig
    if isinstance(original, sqlite3.OperationalError):
        code = getattr(original, "sqlite_errorcode", 0) & 0xFF
        return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    state = getattr(original, "sqlstate", None)
    if state in _CONFLICTS:
        return True
    return not committing and (state in _GOING_AWAY or error.connection_invalidated)
