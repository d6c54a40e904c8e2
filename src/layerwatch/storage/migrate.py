"""Bringing the tables to the version that this code expects."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError

from layerwatch.storage.base import Base
from layerwatch.storage.errors import StorageUnavailable

if TYPE_CHECKING:  # a seventh of what a start costs, and hardly any start has to migrate
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = 0x6C61796572  # 'layer': one node migrates, the others wait and find nothing to do


def newest() -> str:
    """The version that this code expects: its files are named by their versions, one after the other."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing, in one transaction, by one process at a time.

    Raises IntegrityError, and changes nothing, when rows would refer to rows that do not exist.
    """
    if version(engine) == newest():
        return
    from alembic import command

    with _connected(engine) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        command.upgrade(configuration(connection), "head")
        if engine.dialect.name == "sqlite":
            _check_foreign_keys(connection)


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    """A connection on which SQLite's tables can be rebuilt.

    Rebuilding one drops the old one, which SQLite takes for the deletion of its rows: while others refer to
    them it fails. So foreign keys are checked once, at the end. The setting only changes outside of a
    transaction.
    """
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        if engine.dialect.name == "sqlite":
            driver.execute("PRAGMA foreign_keys=OFF")
        try:
            yield connection
        finally:
            if engine.dialect.name == "sqlite":
                driver.execute("PRAGMA foreign_keys=ON")


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.execute(text("PRAGMA foreign_key_check")).first()
    if broken is not None:
        problem = sqlite3.IntegrityError(f"row {broken[1]} of {broken[0]} refers to no row of {broken[2]}")
        raise IntegrityError("PRAGMA foreign_key_check", None, problem)


def version(engine: Engine) -> str | None:
    """The tables' version; None when there are none yet. Raises StorageUnavailable."""
    try:
        with engine.execution_options(layerwatch_reads=True).connect() as connection:
            if not connection.dialect.has_table(connection, "alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (OperationalError, InterfaceError) as error:
        raise StorageUnavailable(f"the database is not available: {type(error).__name__}") from error


def configuration(connection: Connection) -> Config:
    """Alembic's configuration, bound to an open connection instead of an ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def all_tables() -> MetaData:
    """The metadata with every domain's `models.py` loaded."""
    import layerwatch

    # By file: a room whose extra is not installed cannot be imported, and need not be.
    root = Path(layerwatch.__file__).parent
    for models in sorted(root.rglob("models.py")):
        room = ".".join(models.relative_to(root).parent.parts)
        importlib.import_module(f"layerwatch.{room}.models")
    return Base.metadata
