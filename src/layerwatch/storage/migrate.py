"""Bringing the tables to the version that this code expects."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData, text

from layerwatch.storage.base import Base

_LOCK = 0x6C61796572  # 'layer': one node migrates, the others wait and find nothing to do


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing, in one transaction, by one process at a time."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        command.upgrade(configuration(connection), "head")


def configuration(connection: Connection) -> Config:
    """Alembic's configuration, bound to an open connection instead of an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def all_tables() -> MetaData:
    """The metadata with every domain's `models.py` loaded."""
    import layerwatch

    for package in pkgutil.iter_modules(layerwatch.__path__, "layerwatch."):
        if package.ispkg and importlib.util.find_spec(f"{package.name}.models"):
            importlib.import_module(f"{package.name}.models")
    return Base.metadata
