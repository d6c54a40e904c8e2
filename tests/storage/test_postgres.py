"""What PostgreSQL does to a transaction, and what comes of it: time limits, conflicts, failover, the pool."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from layerwatch.storage import Database, StorageUnavailable, engines
from tests.support import databases

_numbers = itertools.count(1)


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    """Address of an empty database with one row in one table."""
    name = f"postgres_{next(_numbers)}"
    databases.administer(postgres_url, f"CREATE DATABASE {name}")
    address = databases.named(postgres_url, name)
    databases.administer(address, "CREATE TABLE counter AS SELECT 0 AS n")
    yield address
    databases.administer(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = Database(url, threads=2)
    yield made
    made.close()


def add_one(session: Session) -> None:
    n = session.scalar(text("SELECT n FROM counter"))
    session.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})


def count(database: Database) -> int:
    with database.read() as session:
        return int(session.scalar(text("SELECT n FROM counter")) or 0)


def end_connection(database: Database, session: Session) -> None:
    """What a failover does: the server ends the session's connection."""
    pid = session.scalar(text("SELECT pg_backend_pid()"))
    with database.write() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


def test_a_statement_that_takes_too_long_is_ended(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "POSTGRES_STATEMENT_MS", 200)
    database = Database(url)
    began = time.monotonic()
    with pytest.raises(StorageUnavailable):
        database.transact(lambda session: session.execute(text("SELECT pg_sleep(30)")))
    assert time.monotonic() - began < 15
    database.close()


def test_a_serialisation_failure_is_run_again(database: Database) -> None:
    tries: list[int] = []

    def serialised(session: Session) -> None:
        session.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        tries.append(1)
        n = session.scalar(text("SELECT n FROM counter"))
        if len(tries) == 1:
            database.transact(add_one)  # someone else, in between
        session.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    database.transact(serialised)
    assert (len(tries), count(database)) == (2, 2)


def test_work_whose_connection_is_lost_before_the_commit_is_run_again(database: Database) -> None:
    tries: list[int] = []

    def interrupted(session: Session) -> None:
        tries.append(1)
        add_one(session)
        if len(tries) == 1:
            end_connection(database, session)
            session.execute(text("SELECT 1"))

    database.transact(interrupted)
    assert (len(tries), count(database)) == (2, 1)


def test_a_commit_that_is_lost_is_never_run_again(database: Database) -> None:
    tries: list[int] = []

    def interrupted(session: Session) -> None:
        tries.append(1)
        add_one(session)
        event.listen(session, "before_commit", lambda session: end_connection(database, session))

    with pytest.raises(StorageUnavailable):
        database.transact(interrupted)
    assert len(tries) == 1


def test_a_standby_that_only_reads_is_a_database_that_is_away(database: Database) -> None:
    def on_a_standby(session: Session) -> None:
        session.execute(text("SET TRANSACTION READ ONLY"))
        add_one(session)

    with pytest.raises(StorageUnavailable):
        database.transact(on_a_standby)


def test_after_a_failover_calls_find_new_connections(url: str, database: Database) -> None:
    with database.write() as one, database.write() as other:  # two connections in the pool
        one.execute(text("SELECT 1"))
        other.execute(text("SELECT 1"))
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    databases.administer(url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    for _ in range(3):
        database.transact(add_one)
    assert count(database) == 3


def test_connections_are_pooled_and_never_more_than_agreed(database: Database) -> None:
    most = 2 + 4
    all_there = threading.Barrier(most)

    def hold(session: Session) -> int:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        all_there.wait(20)
        return int(pid or 0)

    pids: list[int] = []
    holders = [threading.Thread(target=lambda: pids.append(database.transact(hold))) for _ in range(most)]
    for holder in holders:
        holder.start()
    for holder in holders:
        holder.join()
    assert len(set(pids)) == most
    again = {
        database.transact(lambda session: session.scalar(text("SELECT pg_backend_pid()"))) for _ in range(9)
    }
    assert again <= set(pids)


def test_a_pool_that_is_used_up_is_waited_for_and_then_unavailable(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "POSTGRES_CONNECT_S", 1)
    database = Database(url, threads=1)
    sessions = [database.write() for _ in range(5)]
    for session in sessions:
        session.__enter__().execute(text("SELECT 1"))
    with pytest.raises(StorageUnavailable):
        database.transact(add_one)
    for session in sessions:
        session.__exit__(None, None, None)
    database.transact(add_one)
    database.close()
