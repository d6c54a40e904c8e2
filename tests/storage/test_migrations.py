"""The migrations make exactly the tables that the code declares."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from layerwatch.storage import Database
from layerwatch.storage.migrate import all_tables


def test_migrated_tables_are_the_declared_ones(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, all_tables()) == []


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
