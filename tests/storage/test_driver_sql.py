"""Plain SQL in a session behaves as SQLAlchemy's would: what it raises, and what is kept."""

from __future__ import annotations

import traceback
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from layerwatch.contexts.models import AnswerRow, ReplayedUnit
from layerwatch.storage import Database, StorageUnavailable, as_time, driver_sql

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
ADD = "INSERT INTO replayed_units (id, replayed_at) VALUES (?, ?)"
FIND = "SELECT replayed_at FROM replayed_units WHERE id = ?"


def add(session: Session, name: str) -> int:
    return driver_sql.execute(session, ADD, name, NOON)


def find(database: Database, name: str) -> tuple[object, ...] | None:
    with database.read() as session:
        return driver_sql.fetch_row(session, FIND, name)


def count(database: Database) -> int:
    with database.read() as session:
        return int(session.scalar(select(func.count()).select_from(ReplayedUnit)) or 0)


def test_what_was_written_is_found(database: Database) -> None:
    assert database.transact(add, "one") == 1
    found = find(database, "one")
    assert found is not None and as_time(found[0]) == NOON
    assert find(database, "two") is None


def test_a_row_that_is_there_already_is_an_integrity_error_and_undoes_the_rest(database: Database) -> None:
    def add_both(session: Session) -> None:
        add(session, "two")
        add(session, "one")

    database.transact(add, "one")
    with pytest.raises(IntegrityError):
        database.transact(add_both)
    assert count(database) == 1


def test_it_is_in_the_session_s_transaction(database: Database) -> None:
    def work(session: Session) -> None:
        add(session, "one")
        session.add(AnswerRow(context_id="c", key="k", expires_at=NOON, body="{}"))

    database.transact(work)
    with database.read() as session:
        assert session.scalar(select(AnswerRow.body)) == "{}"
    assert count(database) == 1


def test_nothing_is_kept_if_the_block_raises(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        add(session, "one")
        raise RuntimeError
    assert count(database) == 0


def test_a_time_without_its_zone_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="zone"):
        database.transact(driver_sql.execute, ADD, "one", datetime(2030, 1, 1))


def test_a_statement_that_fails_leaves_the_connections_usable(database: Database) -> None:
    with pytest.raises((DBAPIError, StorageUnavailable)), database.read() as session:
        driver_sql.fetch_row(session, "SELECT x FROM no_such_table WHERE y = ?", 1)
    assert find(database, "one") is None


def test_an_error_does_not_show_the_values(database: Database) -> None:
    secret = uuid.uuid4().hex
    with pytest.raises((DBAPIError, StorageUnavailable)) as raised, database.read() as session:
        driver_sql.fetch_row(session, "SELECT x FROM no_such_table WHERE y = ?", secret)
    shown = "".join(traceback.format_exception(raised.value))
    assert "no_such_table" in shown
    assert secret not in shown


def test_a_server_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    away = Database(f"postgresql://nobody@127.0.0.1:9/{tmp_path.name}")
    with pytest.raises(StorageUnavailable):
        find(away, "one")
    away.close()
