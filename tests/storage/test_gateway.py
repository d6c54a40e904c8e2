"""Live calls wait for the database only so long, and what was given up is certain not to be committed."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from layerwatch.contexts.models import AnswerRow
from layerwatch.storage import Database, DatabaseGateway, StorageUnavailable

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def add(session: Session, key: str) -> None:
    session.add(AnswerRow(context_id="c", key=key, expires_at=NOON, body="{}"))


def count(session: Session) -> int:
    return int(session.scalar(select(func.count()).select_from(AnswerRow)) or 0)


async def test_work_gets_its_arguments_and_returns_its_result(database: Database) -> None:
    gateway = DatabaseGateway(database)
    await gateway.write_async(add, key="a")
    assert await gateway.read_async(count) == 1


async def test_work_that_is_given_up_is_not_committed(database: Database) -> None:
    gateway = DatabaseGateway(database, timeout_s=0.05)
    released, ended = threading.Event(), threading.Event()

    def hang(session: Session) -> None:
        add(session, "a")
        released.wait(10)

    def late(session: Session) -> None:
        try:
            hang(session)
        finally:
            ended.set()

    with pytest.raises(StorageUnavailable):
        await gateway.write_async(late)
    released.set()
    await asyncio.to_thread(ended.wait, 10)
    await database.write_async(add, "b")  # on SQLite it waits for the other to end
    assert await database.read_async(count) == 1


async def test_a_database_that_was_found_away_is_not_waited_for_again(database: Database) -> None:
    gateway = DatabaseGateway(database, timeout_s=0.05)
    released = threading.Event()
    with pytest.raises(StorageUnavailable):
        await gateway.read_async(lambda session: released.wait(10))
    assert gateway.away
    with pytest.raises(StorageUnavailable):
        await gateway.read_async(count)
    released.set()
    gateway.found()
    assert await database.read_async(count) == 0
