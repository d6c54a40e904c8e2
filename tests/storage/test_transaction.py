"""Plain SQL in a transaction behaves as SQLAlchemy's would: what it raises, and what is kept."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from layerwatch.contexts.models import AnswerRow, ReplayedUnit
from layerwatch.storage import Database, StorageUnavailable, Transaction, as_time

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
ADD = "INSERT INTO replayed_units (id, replayed_at) VALUES (?, ?)"
FIND = "SELECT replayed_at FROM replayed_units WHERE id = ?"


def add(transaction: Transaction, name: str) -> int:
    return transaction.change(ADD, name, NOON)


def count(database: Database) -> int:
    with database.read() as session:
        return int(session.scalar(select(func.count()).select_from(ReplayedUnit)) or 0)


def test_what_was_written_is_found(database: Database) -> None:
    assert database.settle(lambda transaction: add(transaction, "one")) == 1
    found = database.settle(lambda transaction: transaction.row(FIND, "one"))
    assert found is not None and as_time(found[0]) == NOON
    assert database.settle(lambda transaction: transaction.row(FIND, "two")) is None


def test_a_row_that_is_there_already_is_an_integrity_error_and_undoes_the_rest(database: Database) -> None:
    database.settle(lambda transaction: add(transaction, "one"))
    with pytest.raises(IntegrityError):
        database.settle(lambda transaction: (add(transaction, "two"), add(transaction, "one")))
    assert count(database) == 1


def test_its_session_is_in_the_same_transaction(database: Database) -> None:
    def work(transaction: Transaction) -> None:
        add(transaction, "one")
        transaction.session.add(AnswerRow(context_id="c", key="k", expires_at=NOON, body="{}"))

    database.settle(work)
    with database.read() as session:
        assert session.scalar(select(AnswerRow.body)) == "{}"
    assert count(database) == 1


def test_nothing_is_kept_if_it_may_not_commit(database: Database) -> None:
    def refuse() -> None:
        raise StorageUnavailable("given up before the commit")

    with pytest.raises(StorageUnavailable):
        database.settle(lambda transaction: add(transaction, "one"), refuse)
    assert count(database) == 0


def test_a_time_without_its_zone_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="zone"):
        database.settle(lambda transaction: transaction.change(ADD, "one", datetime(2030, 1, 1)))
