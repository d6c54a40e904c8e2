"""Transactions, retries and types, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, StatementError
from sqlalchemy.orm import Session

from layerwatch.contexts.models import AnswerRow
from layerwatch.storage import Database, StorageUnavailable, UtcTime, driver_sql

AT = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def answer(key: str, expires_at: datetime = AT) -> AnswerRow:
    return AnswerRow(context_id="c", key=key, expires_at=expires_at, body="{}")


def keys(session: Session) -> list[str]:
    return sorted(session.scalars(select(AnswerRow.key)))


def test_a_block_that_ends_is_committed(database: Database) -> None:
    with database.write() as session:
        session.add(answer("a"))
    with database.read() as session:
        assert keys(session) == ["a"]


def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(KeyError), database.write() as session:
        session.add(answer("a"))
        session.flush()
        raise KeyError
    with database.read() as session:
        assert keys(session) == []


def test_what_is_written_while_reading_is_not_kept(database: Database) -> None:
    with database.read() as session:
        session.add(answer("a"))
        session.flush()
    with database.read() as session:
        assert keys(session) == []


def test_rows_that_were_read_keep_their_values(database: Database) -> None:
    with database.write() as session:
        session.add(answer("a"))
    with database.read() as session:
        row = session.scalars(select(AnswerRow)).one()
    assert row.key == "a"


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.write() as writing:
        writing.add(answer("a"))
        writing.flush()
        with database.read() as reading:
            assert keys(reading) == []


async def test_work_in_threads_does_not_lose_updates(database: Database) -> None:
    with database.write() as session:
        session.add(answer("n"))

    def count(session: Session) -> None:
        row = session.get(AnswerRow, ("c", "n"), with_for_update=True)
        assert row is not None
        row.body = f"{int(row.body.strip('{}') or 0) + 1}"

    await asyncio.gather(*(database.write_async(count) for _ in range(40)))
    body = await database.read_async(lambda session: session.get_one(AnswerRow, ("c", "n")).body)
    assert body == "40"


def test_a_deadlock_is_run_again(database: Database) -> None:
    """Two transactions that lock two rows in opposite order: both get through."""
    with database.write() as session:
        session.add_all([answer("a"), answer("b")])
    both_hold_one = Barrier(2)
    tries: list[str] = []

    def work(first: str, second: str) -> None:
        def lock_both(session: Session) -> None:
            tries.append(first)
            session.get(AnswerRow, ("c", first), with_for_update=True)
            if len(tries) <= 2 and not database.is_sqlite:
                both_hold_one.wait(5)
            session.get(AnswerRow, ("c", second), with_for_update=True)

        database.transact(lock_both)

    async def race() -> None:
        await asyncio.gather(asyncio.to_thread(work, "a", "b"), asyncio.to_thread(work, "b", "a"))

    asyncio.run(race())
    assert len(tries) == (2 if database.is_sqlite else 3)


def test_a_rule_broken_in_the_tables_is_not_retried(database: Database) -> None:
    tries: list[int] = []

    def twice(session: Session) -> None:
        tries.append(1)
        session.add(answer("a"))
        session.flush()
        session.execute(text("INSERT INTO answers SELECT * FROM answers"))

    with pytest.raises(IntegrityError):
        database.transact(twice)
    assert len(tries) == 1


def test_times_come_back_exact_and_in_utc(database: Database) -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5)))
    with database.write() as session:
        session.add(answer("a", elsewhere))
    with database.read() as session:
        found = session.scalars(select(AnswerRow.expires_at)).one()
    assert found == AT
    assert found.tzinfo is UTC


def test_a_time_without_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="zone"), database.write() as session:
        session.add(answer("a", AT.replace(tzinfo=None)))


def test_microseconds_of_a_time_before_1970() -> None:
    early = datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert UtcTime().process_bind_param(early, None) == -1  # type: ignore[arg-type]


def test_an_unreachable_database_is_unavailable() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/nowhere")
    with pytest.raises(StorageUnavailable), database.write() as session:
        session.execute(text("SELECT 1"))
    database.close()


def test_a_statement_that_fails_says_unavailable_without_its_text(database: Database) -> None:
    with pytest.raises(StorageUnavailable) as caught, database.write():
        raise OperationalError("SELECT secret", {}, Exception("password"))
    assert "secret" not in str(caught.value)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://root@host/name"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///"):
        Database(url)


async def test_a_row_is_looked_up_outside_of_a_transaction(database: Database) -> None:
    """It neither waits for a writer nor sees what that has not committed; after an error it works on."""
    find = "SELECT body FROM answers WHERE context_id = ? AND key = ?"
    with database.write() as session:
        session.add(answer("k"))
        session.flush()
        with database.lookups() as connection:
            assert driver_sql.fetch_row(connection, find, "c", "k") is None
    assert await database.lookups_async(driver_sql.fetch_row, find, "c", "k") == ("{}",)
    with pytest.raises((DBAPIError, StorageUnavailable)), database.lookups() as connection:
        driver_sql.fetch_row(connection, "SELECT x FROM no_such_table WHERE y = ?", 1)
    assert await database.lookups_async(driver_sql.fetch_row, find, "c", "k") == ("{}",)
