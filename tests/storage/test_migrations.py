"""The migrations make exactly the tables that the code declares."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

from layerwatch.billing.models import SpendAlert
from layerwatch.notify.models import ChannelRow
from layerwatch.notify.signature import key_of
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


def test_the_month_of_an_alert_survives_the_way_to_claims_and_back(database: Database) -> None:
    with database.engine.begin() as connection:
        command.downgrade(configuration(connection), "0013")
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO accounts (id, name, price_book, free_only, payment_ready, created_at)"
                " VALUES (1, 'Acme', 'standard', false, false, 0)"
            )
        )
        alert = text(
            "INSERT INTO spend_alerts (id, account_id, micro_dollars, email, webhook, told_month)"
            " VALUES (:id, 1, 5, 'a@example.org', 'https://example.org', :month)"
        )
        connection.execute(alert, [{"id": 1, "month": "2026-11"}, {"id": 2, "month": None}])
        event = text("INSERT INTO payment_events (id, kind, taken_at) VALUES (:id, :kind, 0)")
        connection.execute(event, [{"id": "collect 1", "kind": "collect"}, {"id": "evt_1", "kind": "paid"}])
    database.migrate()
    with database.read() as session:
        alerts = session.scalars(select(SpendAlert).order_by(SpendAlert.id))
        assert [(one.mailed_month, one.posted_month) for one in alerts] == [("2026-11",) * 2, (None, None)]
        assert session.scalars(text("SELECT id FROM payment_events")).all() == ["evt_1"]
    with database.engine.begin() as connection:
        command.downgrade(configuration(connection), "0013")
    with database.engine.connect() as connection:
        assert list(connection.scalars(text("SELECT told_month FROM spend_alerts ORDER BY id"))) == [
            "2026-11",
            None,
        ]
    database.migrate()


def test_the_webhook_of_an_alert_becomes_a_channel_of_its_own_and_back(database: Database) -> None:
    with database.engine.begin() as connection:
        command.downgrade(configuration(connection), "0017")
        connection.execute(
            text(
                "INSERT INTO accounts (id, name, price_book, free_only, payment_ready, created_at)"
                " VALUES (1, 'Acme', 'standard', false, false, 0)"
            )
        )
        alert = text(
            "INSERT INTO spend_alerts (id, account_id, micro_dollars, email, webhook, webhook_secret)"
            " VALUES (:id, 1, 5, :email, :webhook, :secret)"
        )
        hook = {"webhook": "https://example.org/hook", "secret": "a secret of before"}
        connection.execute(
            alert,
            [
                {"id": 1, "email": None, **hook},
                {"id": 2, "email": "a@example.org", "webhook": None, "secret": None},
            ],
        )
    database.migrate()
    with database.read() as session:
        first, second = session.scalars(select(SpendAlert).order_by(SpendAlert.id))
        assert second.channel_id is None
        channel = session.get_one(ChannelRow, first.channel_id)
        assert (channel.address, channel.events, channel.legacy_signature) == (hook["webhook"], "", True)
        assert channel.secret and key_of(channel.secret) == hook["secret"].encode()
    with database.engine.begin() as connection:
        command.downgrade(configuration(connection), "0017")
        kept = connection.execute(text("SELECT webhook, webhook_secret FROM spend_alerts ORDER BY id")).all()
        assert [tuple(row) for row in kept] == [(hook["webhook"], hook["secret"]), (None, None)]
    database.migrate()
