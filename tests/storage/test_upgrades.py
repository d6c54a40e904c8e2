"""A database of any earlier version, with rows in every table, is upgraded without losing one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from layerwatch.storage import Database
from layerwatch.storage.migrate import MIGRATIONS, all_tables, configuration, newest, version
from tests.storage.test_migrations import is_for, not_a_part

VERSIONS = sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
ROWS = 2
TIME = 1_790_000_000_000_000
"""Microseconds since 1970, in 2026."""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(
    request: pytest.FixtureRequest, tmp_path: Path, new_postgres: Callable[[], str]
) -> Iterator[Database]:
    """A database without tables, once for each engine."""
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}" if request.param == "sqlite" else new_postgres()
    database = Database(url, threads=1)
    yield database
    database.close()


def make(database: Database, revision: str) -> None:
    """Its tables as they were at a version."""
    with database.engine.begin() as connection:
        command.upgrade(configuration(connection), revision)


def tables_of(database: Database) -> list[sa.Table]:
    """The tables that there are, those that others refer to first."""
    found = sa.MetaData()
    with database.engine.connect() as connection:
        found.reflect(connection, only=lambda name, _: not_a_part(name, "table", None))
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def fill(database: Database) -> dict[str, int]:
    """Write rows into every table; how many each has then."""
    tables = tables_of(database)
    with database.engine.begin() as connection:
        for table in tables:
            for number in range(1, ROWS + 1):
                connection.execute(table.insert().values({c.name: value(c, number) for c in table.columns}))
    return counts(database)


def value(column: sa.Column[Any], number: int) -> Any:
    """Another one for each row; a reference is to the row of the same number."""
    kind = column.type
    if isinstance(kind, sa.String):
        return f"{number}{column.name}"[: kind.length]
    if isinstance(kind, sa.LargeBinary):
        return bytes([number]) * 16
    if isinstance(kind, sa.Boolean):
        return number % 2 == 0
    if isinstance(kind, sa.Float | sa.Double):
        return number / 2
    return TIME + number if column.name.endswith("_at") else number


def counts(database: Database) -> dict[str, int]:
    tables = tables_of(database)
    with database.engine.connect() as connection:
        return {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in tables
        }


@pytest.mark.parametrize("start", VERSIONS)
def test_no_upgrade_loses_a_row(empty: Database, start: str) -> None:
    make(empty, start)
    before = fill(empty)
    assert set(before.values()) == {ROWS}

    empty.migrate()

    assert version(empty.engine) == newest()
    after = counts(empty)
    assert {name: after.get(name) for name in before} == before
    with empty.engine.connect() as connection:
        options = {"compare_type": True, "include_name": not_a_part, "include_object": is_for(empty)}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, all_tables()) == []


def test_rows_may_be_written_and_are_checked_after_an_upgrade(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.sqlite3'}", threads=1)
    make(database, "0006")
    fill(database)
    database.migrate()
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM accounts"))
    database.close()


def test_an_upgrade_that_would_leave_rows_without_their_account_changes_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.sqlite3'}", threads=1)
    make(database, "0006")
    with database.engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")
        with connection.begin():
            connection.execute(
                sa.text("INSERT INTO contracts VALUES (1, 99, '2026-11', '[]', 'of no account', 0)")
            )
    with pytest.raises(IntegrityError, match="contracts refers to no row of accounts"):
        database.migrate()
    assert version(database.engine) == "0006"
    database.close()
