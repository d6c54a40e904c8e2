"""The migrations make exactly the tables that the code declares."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from layerwatch.storage import Database
from layerwatch.storage.migrate import all_tables, configuration, newest, version


def not_a_part(name: str | None, kind: str, _: object) -> bool:
    """Partitions come and go; their table is the one that is declared."""
    return kind != "table" or not re.search(r"_(rest|until_\d+|before_\d+)$", name or "")


def is_for(database: Database) -> Callable[..., bool]:
    """Indexes that are declared for SQLite only do not count on PostgreSQL."""

    def included(item: object, _name: str, kind: str, *_: object) -> bool:
        return kind != "index" or database.is_sqlite or getattr(item, "_ddl_if", None) is None

    return included


def test_migrated_tables_are_the_declared_ones(database: Database) -> None:
    with database.engine.connect() as connection:
        options = {"compare_type": True, "include_name": not_a_part, "include_object": is_for(database)}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, all_tables()) == []


def test_the_newest_version_is_the_end_of_the_chain(database: Database) -> None:
    with database.engine.connect() as connection:
        assert ScriptDirectory.from_config(configuration(connection)).get_current_head() == newest()
    assert version(database.engine) == newest()


def test_migrating_twice_changes_nothing(database: Database) -> None:
    database.migrate()


def test_nodes_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    failures: list[Exception] = []

    def start() -> None:
        node = Database(url)
        try:
            node.migrate()
        except Exception as error:
            failures.append(error)
        finally:
            node.close()

    nodes = [Thread(target=start) for _ in range(3)]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join()
    assert failures == []
