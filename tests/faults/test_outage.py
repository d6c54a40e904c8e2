"""The database goes away under a running server: prints are watched on, and every call is billed once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import select

from layerwatch.config import load
from layerwatch.contexts.models import ContextRow
from layerwatch.storage import Database
from tests.faults import databases
from tests.support.prints import frame
from tests.support.servers import Server, running

Fault = Callable[[Database], AbstractContextManager[None]]

FINE = frame(0.05, 0)
FAILS_AT = 25
RECOVERY_SECONDS = 5.0
SLOW_MACHINE = 4.0


@pytest.fixture(
    params=[
        ("sqlite", databases.locked),
        ("sqlite", databases.full),
        ("sqlite", databases.read_only),
        ("postgresql", databases.paused),
        ("postgresql", databases.refusing),
    ],
    ids=lambda param: f"{param[0]}-{param[1].__name__}",
)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Fault]]:
    """A running server and a way to take its database away."""
    engine, fault = request.param
    url = _fresh(request, engine)
    with running(load(data_dir=tmp_path, database=url, log_level="error")) as server:
        server.services.gateway.timeout_s = 0.5
        yield server, fault


def _fresh(request: pytest.FixtureRequest, engine: str) -> str:
    from tests.support import databases as support

    if engine == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    server, template = request.getfixturevalue("postgres_url"), request.getfixturevalue("postgres_template")
    name = f"outage_{uuid.uuid4().hex[:8]}"
    support.administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    request.addfinalizer(lambda: support.administer(server, f"DROP DATABASE {name} WITH (FORCE)"))
    return support.named(server, name)


def revision(server: Server, context: str) -> int:
    with server.services.database.read() as session:
        return session.scalar(select(ContextRow.revision).where(ContextRow.id == context)) or 0


def wait_for_the_database(server: Server) -> float:
    began = time.monotonic()
    while server.services.gateway.away and time.monotonic() - began < SLOW_MACHINE * RECOVERY_SECONDS:
        time.sleep(0.02)
    assert not server.services.gateway.away
    return time.monotonic() - began


def test_half_an_hour_without_the_database(case: tuple[Server, Fault]) -> None:
    server, fault = case
    some_writes_work = fault is databases.full  # what fits into pages that are there
    key, account = server.new_key_of()
    stranger = server.new_key()
    old = server.new_context(key)
    assert server.process(key, old, FINE).status_code == 200
    repeat = uuid.uuid4()
    with fault(server.services.database):
        server.clock.advance(60)
        first = server.process(key, old, FINE, repeat=repeat)
        assert first.status_code == 200, first.text
        assert server.services.gateway.away or some_writes_work
        again = server.process(key, old, FINE, repeat=repeat)
        assert again.json() == first.json()
        assert {answer.headers["X-Picture-Condition"] for answer in (first, again)} == {"frozen"}
        assert server.process(key, old, FINE).status_code == 429
        assert server.process(stranger, old).status_code == 503 or some_writes_work
        new = server.new_context(key)
        warned = False
        for number in range(45):
            server.clock.advance(45)
            assert server.process(key, old, frame(0.05, number)).status_code == 200
            failing = server.process(key, new, frame(0.05 if number < FAILS_AT else 0.97, number))
            assert failing.status_code == 200
            warned = warned or failing.json()["WarningSuggested"]
        assert warned, "the print's state was not carried on"
        assert "Database" in server.http.get("/readyz").json() or some_writes_work
    wait_for_the_database(server)
    assert revision(server, old) == 1 + 1 + 45
    assert revision(server, new) == 45
    assert server.billed(account) == 1 + 1 + 45 + 45
    assert server.process(key, old, FINE, repeat=repeat).json() == first.json()
    server.clock.advance(60)
    assert server.process(key, old, FINE).status_code == 200
    assert server.process(stranger, server.new_context(stranger)).status_code == 200
    assert server.billed(account) == 93
    assert server.services.offline_ledger.waiting == 0


def test_a_key_seen_does_not_stay_good_for_ever(server: Server) -> None:
    key = server.new_key()
    server.new_context(key)
    server.services.gateway.timeout_s = 0.5
    with databases.locked(server.services.database):
        server.services.gateway.gone("for the test")
        server.clock.advance(3600)
        assert server.create_context(key).status_code == 200
        server.clock.advance(2 * 3600)
        assert server.create_context(key).status_code == 503


def test_without_database_and_disk_nothing_is_answered_and_nothing_billed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, account = server.new_key_of()
    context = server.new_context(key)
    server.services.gateway.timeout_s = 0.5
    with databases.locked(server.services.database):

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr("layerwatch.contexts.offline.spool.os.fsync", full)
            answer = server.process(key, context)
            assert answer.status_code == 503
            assert "Retry-After" in answer.headers
        assert server.process(key, context).status_code == 200, "the refused call must not count as one"
    wait_for_the_database(server)
    assert server.billed(account) == 1


@pytest.fixture
def two_workers(sqlite_url: str, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two processes of one node, as far as a database and a disk can tell: one folder, two memories."""
    settings = load(data_dir=tmp_path, database=sqlite_url, log_level="error")
    with running(settings) as one, running(settings, clock=one.clock) as two:
        for server in (one, two):
            server.services.gateway.timeout_s = 0.5
        yield one, two


FAILING = frame(0.97, 1)


def test_a_repeat_that_reaches_another_worker_during_an_outage_gets_the_same_answer(
    two_workers: tuple[Server, Server],
) -> None:
    one, two = two_workers
    key, account = one.new_key_of()
    context = one.new_context(key)
    assert two.create_context(key).status_code == 200
    repeat = uuid.uuid4()
    with databases.locked(one.services.database):
        first = one.process(key, context, FINE, repeat=repeat, query="?detail=1")
        assert first.status_code == 200
        # Another picture, so that an answer that is made anew is another one.
        again = two.process(key, context, FAILING, repeat=repeat, query="?detail=1")
        assert again.json() == first.json()
        assert two.process(key, context, FAILING).json() != first.json(), "a repeat moves no state"
    for server in two_workers:
        wait_for_the_database(server)
        assert server.process(key, context, FAILING, repeat=repeat, query="?detail=1").json() == first.json()
    assert one.billed(account) == 2
    assert not list((one.services.settings.data_dir / "answers").glob("[!l]*"))


def test_a_repeat_finds_the_answer_of_a_worker_that_has_not_booked_it_yet(
    two_workers: tuple[Server, Server],
) -> None:
    """The other worker uses the database again already, or never noticed that it was away."""
    one, two = two_workers
    key, account = one.new_key_of()
    context = one.new_context(key)
    two.create_context(key)
    repeat = uuid.uuid4()
    one.services.gateway.gone("for the test")
    with databases.locked(one.services.database):
        first = one.process(key, context, FINE, repeat=repeat)
        assert two.process(key, context, FAILING, repeat=repeat).json() == first.json()
    wait_for_the_database(one)
    assert one.billed(account) == 1


def test_the_same_call_to_both_workers_at_once_is_answered_alike_and_billed_once(
    two_workers: tuple[Server, Server],
) -> None:
    one, two = two_workers
    key, account = one.new_key_of()
    contexts = [one.new_context(key) for _ in range(12)]
    two.create_context(key)
    with databases.locked(one.services.database), ThreadPoolExecutor(2) as both:
        for server in two_workers:
            server.services.gateway.gone("for the test")
        for context in contexts:
            repeat = uuid.uuid4()
            answers = list(
                both.map(
                    lambda at, context=context, repeat=repeat: at[0].process(  # type: ignore[misc]
                        key, context, at[1], repeat=repeat
                    ),
                    ((one, FINE), (two, FAILING)),
                )
            )
            assert [answer.status_code for answer in answers] == [200, 200]
            assert answers[0].json() == answers[1].json()
    for server in two_workers:
        wait_for_the_database(server)
    assert one.billed(account) == len(contexts)
