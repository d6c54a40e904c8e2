"""Days that expire are dropped whole: partitions are made ahead, found by name, and fall at their date."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from layerwatch.contexts import ContextIds, answer_repository, repository
from layerwatch.contexts.context_id import LIFETIME, Context
from layerwatch.contexts.models import AnswerRow, ContextRow
from layerwatch.contexts.repository import Moved
from layerwatch.contexts.retention import TABLES, Sweeper, drop_days, make_room, sweep
from layerwatch.storage import Database, as_number, partitions
from layerwatch.storage.migrate import configuration
from layerwatch.temporal import Levels
from tests.support import databases
from tests.support.clocks import ManualClock

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
IDS = ContextIds(b"k" * 32)
_numbers = itertools.count(1)


@pytest.fixture
def postgres(postgres_url: str, postgres_template: str) -> Iterator[Database]:
    """A fresh PostgreSQL database with every table."""
    yield from _database(postgres_url, f"TEMPLATE {postgres_template}")


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[Database]:
    """A PostgreSQL database without tables."""
    yield from _database(postgres_url, "")


def _database(server: str, like: str) -> Iterator[Database]:
    name = f"partitions_{next(_numbers)}"
    databases.administer(server, f"CREATE DATABASE {name} {like}")
    database = Database(databases.named(server, name))
    yield database
    database.close()
    databases.administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def inspected(database: Database, at: datetime) -> Context:
    """A context that was opened and looked at then, with an answer under a key."""
    context = IDS.new(1, Levels(3, 3), at, "eu")

    def write(session: Session) -> None:
        repository.add(session, context, Moved(b"state", at, 40_000, None, "{}"))
        answer_repository.keep(session, context, "key", "{}")

    database.transact(write)
    return context


def inspected_at_version_10(database: Database, at: datetime) -> Context:
    """The same in the tables as they were then."""
    context = IDS.new(1, Levels(3, 3), at, "eu")
    id_, expires = {"id": context.id}, {"expires": as_number(context.expires_at)}
    row = id_ | expires | {"at": as_number(at)}
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO contexts (id, account_id, opened_at, expires_at, revision, state, inspected_at,"
                " interval_ms, answer) VALUES (:id, 1, :at, :expires, 1, 'state', :at, 40000, '{}')"
            ),
            row,
        )
        connection.execute(
            text(
                "INSERT INTO answers (context_id, key, expires_at, body) VALUES (:id, 'key', :expires, '{}')"
            ),
            id_ | expires,
        )
    return context


def left(database: Database) -> tuple[int, int]:
    with database.read() as session:
        return tuple(  # type: ignore[return-value]
            session.scalar(select(func.count()).select_from(table)) for table in (ContextRow, AnswerRow)
        )


def lies_in(database: Database, context: Context) -> str:
    with database.read() as session:
        return str(
            session.scalar(
                text("SELECT tableoid::regclass::text FROM contexts WHERE id = :id"), {"id": context.id}
            )
        )


def names(database: Database, table: str = "contexts") -> list[str]:
    with database.read() as session:
        return [each.name for each in partitions.partitions(session, table)]


def test_a_new_print_lies_in_the_partition_of_its_last_day(postgres: Database) -> None:
    make_room(postgres, NOON)
    assert names(postgres) == [f"contexts_until_203001{day}" for day in (16, 17, 18, 19)]
    assert lies_in(postgres, inspected(postgres, NOON)) == "contexts_until_20300116"
    assert lies_in(postgres, inspected(postgres, NOON + DAY)) == "contexts_until_20300117"


def test_room_is_made_once_and_further_each_day(postgres: Database) -> None:
    for _ in range(2):
        make_room(postgres, NOON)
    make_room(postgres, NOON + DAY)
    assert names(postgres)[-1] == "contexts_until_20300120"
    assert len(names(postgres)) == 5


def test_a_day_is_dropped_when_all_of_it_has_expired_and_not_before(postgres: Database) -> None:
    make_room(postgres, NOON)
    first, second = inspected(postgres, NOON), inspected(postgres, NOON + DAY)
    over = datetime(2030, 1, 16, tzinfo=UTC)
    assert drop_days(postgres, over - timedelta(seconds=1)) == []
    assert drop_days(postgres, over) == ["contexts_until_20300116", "answers_until_20300116"]
    assert left(postgres) == (1, 1)
    with postgres.read() as session:
        assert repository.find(session, first) is None
        assert repository.find(session, second) is not None


def test_without_room_nothing_fails_and_rows_go_one_by_one(postgres: Database) -> None:
    context = inspected(postgres, NOON)
    assert lies_in(postgres, context) == "contexts_rest"
    assert postgres.transact(sweep, context.expires_at) == 2
    assert left(postgres) == (0, 0)


def test_a_day_that_has_begun_in_the_default_partition_stays_there(postgres: Database) -> None:
    inspected(postgres, NOON)
    make_room(postgres, NOON)
    assert names(postgres)[0] == "contexts_until_20300117"
    assert lies_in(postgres, inspected(postgres, NOON)) == "contexts_rest"


def test_a_lock_that_is_not_to_be_had_holds_up_live_calls_only_for_a_moment(postgres: Database) -> None:
    make_room(postgres, NOON)
    context = inspected(postgres, NOON)
    with postgres.write() as holding:
        assert repository.find(holding, context) is not None
        with pytest.raises(Exception, match="not available"):
            drop_days(postgres, NOON + 30 * DAY)
    assert len(drop_days(postgres, NOON + 30 * DAY)) == 8


def test_one_node_at_a_time(postgres: Database) -> None:
    with postgres.write() as other:
        assert partitions.make_ahead(other, "contexts", LIFETIME, NOON) == 4
        make_room(postgres, NOON)
    assert names(postgres, "answers") == []


def test_an_existing_database_keeps_its_rows_and_drops_them_whole(empty_postgres: Database) -> None:
    database = empty_postgres
    with database.engine.begin() as connection:
        command.upgrade(configuration(connection), "0010")
    old = [inspected_at_version_10(database, NOON - number * DAY) for number in range(3)]
    database.migrate()
    assert {lies_in(database, context) for context in old} == {"contexts_before_20300116"}
    make_room(database, NOON)
    new = inspected(database, NOON + DAY)
    assert lies_in(database, new) == "contexts_until_20300117"
    with database.write() as session:
        for context in [*old, new]:
            found = repository.find(session, context)
            assert found is not None
            assert repository.move(session, context, found.revision, Moved(b"next", NOON, 1, None, "{}"))
            assert answer_repository.find(session, context, "key") == "{}"
    assert drop_days(database, NOON + 14 * DAY) == []
    assert drop_days(database, NOON + 15 * DAY) == ["contexts_before_20300116", "answers_before_20300116"]
    assert left(database) == (1, 1)


def test_a_migration_can_be_taken_back(postgres: Database) -> None:
    make_room(postgres, NOON)
    context = inspected(postgres, NOON)
    with postgres.engine.begin() as connection:
        command.downgrade(configuration(connection), "0010")
        kept = connection.scalar(text("SELECT count(*) FROM contexts WHERE id = :id"), {"id": context.id})
        assert kept == 1
    postgres.migrate()
    assert lies_in(postgres, context) == "contexts_before_20300116"


@pytest.mark.parametrize("jump", [30 * DAY, -30 * DAY])
async def test_a_clock_that_was_just_set_clears_nothing_away(database: Database, jump: timedelta) -> None:
    clock, real = ManualClock(NOON), [0.0]
    sweeper = Sweeper(database, clock, monotonic=lambda: real[0])
    await sweeper.turn()
    inspected(database, NOON)
    real[0] += 600
    clock.advance(600 + jump.total_seconds())
    await sweeper.turn()
    assert left(database) == (1, 1)
    real[0] += 600
    clock.advance(600 - jump.total_seconds())
    for _ in range(2):
        await sweeper.turn()
    assert left(database) == (1, 1)


async def test_a_clock_that_goes_on_as_it_should_does(database: Database) -> None:
    clock, real = ManualClock(NOON), [0.0]
    make_room(database, NOON)
    sweeper = Sweeper(database, clock, monotonic=lambda: real[0])
    inspected(database, NOON)
    for _ in range(17):
        await sweeper.turn()
        real[0] += DAY.total_seconds()
        clock.advance(DAY.total_seconds())
    assert left(database) == (0, 0)


def test_every_table_that_is_swept_is_a_table_in_partitions(postgres: Database) -> None:
    make_room(postgres, NOON)
    assert all(names(postgres, table) for table in TABLES)
