"""Claimed work is done by one node, and again when that node died or failed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from layerwatch.core.clock import Clock
from layerwatch.storage import Claims, Database
from layerwatch.storage.claims import ABANDONED_AFTER, FIRST_RETRY_DELAY, LEASE, MAX_RETRY_DELAY, ClaimRow
from tests.support.at_once import at_once
from tests.support.clocks import START, ManualClock
from tests.support.killed import killed


class Work:
    """A piece of work, and the record that it is done."""

    def __init__(self, database: Database, clock: Clock, name: str = "mail 1") -> None:
        self._claims = Claims(database, clock)
        self._name = name
        self.attempts = 0
        self.recorded: list[datetime] = []
        self.meanwhile = lambda: None

    def _do(self) -> None:
        self.attempts += 1
        self.meanwhile()

    def run(self) -> bool:
        return self._claims.run(
            self._name,
            due=lambda _: not self.recorded,
            work=self._do,
            done=lambda _: self.recorded.append(START),
        )


def claims_left(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(ClaimRow)) or 0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def work(database: Database, clock: ManualClock) -> Iterator[Work]:
    yield Work(database, clock)


def test_work_is_done_once_and_leaves_no_claim(database: Database, work: Work) -> None:
    assert [work.run() for _ in range(3)] == [True, False, False]
    assert work.attempts == 1
    assert claims_left(database) == 0


def test_nodes_at_the_same_moment_do_it_once(database: Database, work: Work) -> None:
    at_once(8, lambda: work.run() and None)
    assert work.attempts == 1 and len(work.recorded) == 1


def test_a_node_that_finds_it_due_after_another_finished_it_does_nothing(work: Work) -> None:
    """The list of what is due is read before the claim; the claim reads it again."""
    reached, finished = threading.Event(), threading.Event()

    def in_the_middle() -> None:
        reached.set()
        finished.wait(10)

    work.meanwhile = in_the_middle
    first = threading.Thread(target=work.run)
    first.start()
    reached.wait(10)
    assert not work.run()
    finished.set()
    first.join()
    assert not work.run()
    assert work.attempts == 1


def test_work_that_is_lost_with_its_process_is_done_again_when_the_lease_is_over(
    database_url: str, clock: ManualClock, work: Work
) -> None:
    killed(
        """
from layerwatch.storage import Claims, Database
from tests.support.clocks import ManualClock
claims = Claims(Database(sys.argv[1]), ManualClock())
claims.run("mail 1", due=lambda _: True, work=die, done=lambda _: None)
""",
        database_url,
    )
    clock.advance(LEASE.total_seconds() - 1)
    assert not work.run()
    clock.advance(1)
    assert work.run()
    assert (work.attempts, len(work.recorded)) == (1, 1)


def fail() -> None:
    raise ConnectionError("no server")


def test_work_that_failed_is_done_again_after_a_minute(clock: ManualClock, work: Work) -> None:
    work.meanwhile = fail
    with pytest.raises(ConnectionError):
        work.run()
    work.meanwhile = lambda: None
    clock.advance(FIRST_RETRY_DELAY.total_seconds() - 1)
    assert not work.run()
    clock.advance(1)
    assert work.run()


def test_the_wait_after_failures_is_doubled_up_to_an_hour(
    database: Database, clock: ManualClock, work: Work
) -> None:
    work.meanwhile = fail
    waits = []
    for _ in range(8):
        with pytest.raises(ConnectionError):
            work.run()
        with database.read() as session:
            wait = session.scalars(select(ClaimRow.until)).one() - clock.now()
        waits.append(wait)
        clock.advance(wait.total_seconds())
    assert waits[:3] == [FIRST_RETRY_DELAY, 2 * FIRST_RETRY_DELAY, 4 * FIRST_RETRY_DELAY]
    assert waits[-1] == MAX_RETRY_DELAY


def test_other_work_is_not_held_up(database: Database, clock: ManualClock, work: Work) -> None:
    other = Work(database, clock, "mail 2")
    work.meanwhile = lambda: other.run() and None
    assert work.run()
    assert other.attempts == 1


def test_a_holder_whose_lease_ran_out_takes_nothing_from_the_next(
    database: Database, clock: ManualClock, work: Work
) -> None:
    next_one = Work(database, clock)

    def too_slow() -> None:
        clock.advance(LEASE.total_seconds())
        next_one.meanwhile = fail
        with pytest.raises(ConnectionError):
            next_one.run()

    work.meanwhile = too_slow
    assert work.run()
    assert claims_left(database) == 1, "the claim of the second attempt waits for its retry"


def test_a_claim_made_by_a_clock_that_was_ahead_does_not_hold_for_years(
    clock: ManualClock, work: Work
) -> None:
    clock.advance(400 * 86_400)
    work.meanwhile = fail
    with pytest.raises(ConnectionError):
        work.run()
    clock.advance(-400 * 86_400)
    work.meanwhile = lambda: None
    assert work.run()


def test_claims_of_work_that_is_gone_are_forgotten(
    database: Database, clock: ManualClock, work: Work
) -> None:
    work.meanwhile = fail
    with pytest.raises(ConnectionError):
        work.run()
    claims = Claims(database, clock)
    assert claims.forget_abandoned() == 0
    clock.advance((ABANDONED_AFTER + MAX_RETRY_DELAY).total_seconds())
    assert claims.forget_abandoned() == 1


def test_the_record_and_the_claim_are_one_transaction(database: Database, clock: ManualClock) -> None:
    claims = Claims(database, clock)

    def cannot_be_recorded(_: Session) -> None:
        raise RuntimeError("the record fails")

    with pytest.raises(RuntimeError):
        claims.run("mail 3", due=lambda _: True, work=lambda: None, done=cannot_be_recorded)
    assert claims_left(database) == 1
