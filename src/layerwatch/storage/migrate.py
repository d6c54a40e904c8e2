"""Bringing the tables to the version that this code expects."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.exc import InterfaceError, OperationalError

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
    """Run the migrations that are missing, in one transaction, by one process at a time."""
    if version(engine) == newest():
        return
    from alembic import command

    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        command.upgrade(configuration(connection), "head")


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
    for models in sorted(Path(layerwatch.__file__).parent.glob("*/models.py")):
        importlib.import_module(f"layerwatch.{models.parent.name}.models")
    return Base.metadata
