"""The calls of a key, recorded off their path: newest ones, counts, caps; replaced keys."""

from datetime import timedelta

import pytest

from layerwatch.identity import BadInput, NotFound
from layerwatch.keys import (
    KeyAuthenticator,
    KeyDisabled,
    disable_key,
    list_keys,
    rename_key,
    retire_keys,
    rotate_key,
)
from layerwatch.keys.request_history import counts
from layerwatch.keys.request_recorder import KEPT, RecordedCall, RequestRecorder, delete_old
from layerwatch.keys.request_repository import newest_calls
from layerwatch.storage import DatabaseGateway, StorageUnavailable
from tests.support.accounts import NOON, PEPPER, make_key

HOUR = timedelta(hours=1)


def call(key, *, at=NOON, ms=30.0, error=None, status=200, number=0):
    return RecordedCall(key, at, "process", status, error, f"{number:032x}", ms, "ok")


async def written(database, *calls):
    recorder = RequestRecorder()
    for one in calls:
        recorder.record(one)
    await recorder.write(DatabaseGateway(database))


async def test_calls_are_listed_newest_first_and_counted_by_outcome_and_latency(database):
    _, _, key = make_key(database)
    error = "OE_CONTEXT_RATE_LIMITED"
    await written(
        database,
        call(key, number=1, ms=30),
        call(key, number=2, ms=180),
        call(key, number=3, ms=9000, at=NOON + HOUR),
        call(key, number=4, ms=3, status=429, error=error, at=NOON + HOUR),
    )
    await written(database, call(key, number=5, at=NOON + HOUR))
    with database.read() as session:
        assert [int(one.request_id, 16) for one in newest_calls(session, key, 3)] == [5, 4, 3]
        assert [one.error for one in newest_calls(session, key, 9, errors_only=True)] == [error]
        first, second = counts(session, key, NOON + HOUR, steps=2, step=HOUR)
    assert (first.succeeded, first.failed, first.quantile_ms(0.5), first.quantile_ms(0.95)) == (2, 0, 50, 200)
    assert (second.succeeded, dict(second.errors), second.quantile_ms(0.95)) == (2, {error: 1}, None)


async def test_of_a_busy_key_a_sample_is_listed_and_every_call_counted(sqlite_database):
    _, _, busy = make_key(sqlite_database)
    _, _, other = make_key(sqlite_database)
    await written(sqlite_database, *(call(busy) for _ in range(500)), call(other))
    with sqlite_database.read() as session:
        assert len(newest_calls(session, busy, 999)) == 20
        assert len(newest_calls(session, other, 999)) == 1
        assert counts(session, busy, NOON, steps=1, step=HOUR)[0].calls == 500


async def test_the_oldest_calls_of_a_key_go_first(sqlite_database, monkeypatch):
    monkeypatch.setattr("layerwatch.keys.request_recorder.MAX_PER_KEY", 30)
    monkeypatch.setattr("layerwatch.keys.request_recorder.TRIMMED_AFTER", 10)
    _, _, key = make_key(sqlite_database)
    for batch in range(4):
        await written(sqlite_database, *(call(key, number=20 * batch + one) for one in range(20)))
    with sqlite_database.read() as session:
        kept = [int(one.request_id, 16) for one in newest_calls(session, key, 999)]
    assert kept == list(range(79, 49, -1))


async def test_calls_are_forgotten_after_a_week(sqlite_database):
    _, _, key = make_key(sqlite_database)
    await written(sqlite_database, call(key), call(key, at=NOON + KEPT))
    with sqlite_database.write() as session:
        assert delete_old(session, NOON + KEPT + HOUR) == 1
        assert len(newest_calls(session, key, 9)) == 1
        assert counts(session, key, NOON, steps=1, step=HOUR)[0].calls == 0


async def test_nothing_waits_for_a_database_that_is_away(sqlite_database):
    _, _, key = make_key(sqlite_database)
    gateway = DatabaseGateway(sqlite_database)
    gateway.gone("for this test")
    recorder = RequestRecorder()
    recorder.record(call(key))
    with pytest.raises(StorageUnavailable):
        await recorder.write(gateway)
    gateway.found()
    await recorder.write(gateway)
    with sqlite_database.read() as session:
        assert newest_calls(session, key, 9) == [], "dropped, not gathered without end"


def test_every_answer_of_the_api_is_recorded_for_its_key(server):
    key, _ = server.new_key_of()
    context = server.new_context(key)
    assert server.process(key, context).status_code == 200
    early = server.process(key, context)
    assert early.status_code == 429
    assert server.create_context("prod_nonsense").status_code == 401
    server.http.get("/livez")
    server.stop()
    server_ended(server)
    with server.services.database.read() as session:
        calls = newest_calls(session, 1, 9)
        assert [(one.call, one.status, one.error) for one in calls] == [
            ("process", 429, "OE_CONTEXT_RATE_LIMITED"),
            ("process", 200, None),
            ("createcontext", 200, None),
        ]
        assert calls[0].request_id == early.headers["x-request-id"]
        assert calls[1].condition == "ok" and calls[1].ms >= 0


def server_ended(server):
    """Wait until the stopped server has written what it gathered."""
    import time

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with server.services.database.read() as session:
            if newest_calls(session, 1, 1):
                return
        time.sleep(0.02)
    raise AssertionError("nothing was written")


def test_a_replaced_key_works_until_its_overlap_is_over_and_is_then_disabled(database):
    text, account, key = make_key(database, addresses=("192.0.2.0/24",), dialect=2)
    with database.write() as session:
        new = rotate_key(session, account, key, overlap=HOUR, pepper=PEPPER, now=NOON)
        assert (new.row.name, new.row.dialect, new.row.addresses) == ("printer farm", 2, "192.0.2.0/24")
        with pytest.raises(BadInput):
            rotate_key(session, account, key, overlap=HOUR, pepper=PEPPER, now=NOON)
    keys = KeyAuthenticator(database, PEPPER)
    assert keys.authenticate(new.text, NOON, "192.0.2.1").key_id == new.row.id
    assert keys.authenticate(text, NOON + HOUR - timedelta(seconds=3), "192.0.2.1").key_id == key
    with pytest.raises(KeyDisabled):
        keys.authenticate(text, NOON + HOUR, "192.0.2.1")
    with database.write() as session:
        assert retire_keys(session, NOON + HOUR - timedelta(seconds=1)) == 0
        assert retire_keys(session, NOON + HOUR) == 1
        old = next(one for one in list_keys(session, account) if one.id == key)
        assert old.disabled_at == NOON + HOUR


def test_a_key_is_replaced_at_once_where_no_overlap_is_wanted(sqlite_database):
    text, account, key = make_key(sqlite_database)
    with sqlite_database.write() as session:
        rotate_key(session, account, key, overlap=timedelta(), pepper=PEPPER, now=NOON)
    with pytest.raises(KeyDisabled):
        KeyAuthenticator(sqlite_database, PEPPER).authenticate(text, NOON)


def test_only_live_keys_of_the_own_account_are_replaced_or_renamed(sqlite_database):
    _, account, key = make_key(sqlite_database)
    _, stranger, _ = make_key(sqlite_database)
    with sqlite_database.write() as session:
        for work in (
            lambda: rename_key(session, stranger, key, "mine"),
            lambda: rotate_key(session, stranger, key, overlap=HOUR, pepper=PEPPER, now=NOON),
        ):
            with pytest.raises(NotFound):
                work()
        assert rename_key(session, account, key, "hall 2").name == "hall 2"
        with pytest.raises(BadInput):
            rename_key(session, account, key, "\x07")
        disable_key(session, account, key, NOON)
        with pytest.raises(BadInput):
            rotate_key(session, account, key, overlap=HOUR, pepper=PEPPER, now=NOON)
