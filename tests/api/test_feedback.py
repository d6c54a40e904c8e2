"""Feedback over HTTP: what is kept of it, how much, and that a full disk leaves nothing behind."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from layerwatch.api.routes import BASE
from layerwatch.contexts.models import ContextRow
from layerwatch.identity.models import Account
from layerwatch.learning import limits
from layerwatch.learning.models import FeedbackRow
from tests.faults.databases import read_only
from tests.support.fake_detector import picture
from tests.support.servers import Server


def consenting(server: Server) -> tuple[str, int]:
    """A key of a new account that lets pictures be kept, and the account's number."""
    key, account = server.new_key_of()
    with server.services.database.write() as session:
        session.get_one(Account, account).share_pictures = True
    return key, account


def a_print(server: Server, key: str, failure: float = 0.1) -> str:
    """The id of a new context with one inspection."""
    context = server.new_context(key)
    assert server.process(key, context, picture(failure)).status_code == 200
    return context


def feedback(server: Server, key: str, context: str, kind: str = "missed", **more: object) -> httpx.Response:
    return server.http.post(
        f"{BASE}/feedback/{context}", json={"Kind": kind, **more}, headers={"X-API-Key": key}
    )


def rows(server: Server) -> list[FeedbackRow]:
    with server.services.database.read() as session:
        found = list(session.scalars(select(FeedbackRow).order_by(FeedbackRow.id)))
        session.expunge_all()
        return found


def pictures(server: Server) -> set[bytes]:
    """Every picture that is kept for training."""
    objects = server.services.objects
    return {objects.get(one.name) for one in objects.list("examples")}


def show(server: Server, context: str, jpeg: bytes) -> None:
    """Let this be the last picture of a print, long before its next inspection is due."""
    held = server.services.recent.get(context)
    assert held is not None
    server.services.recent.put(context, replace(held, jpeg=jpeg, second=held.second + 60))


def revision(server: Server, context: str) -> int:
    with server.services.database.read() as session:
        return session.scalars(select(ContextRow.revision).where(ContextRow.id == context)).one()


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow beyond 512 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_pictures_are_kept_with_the_accounts_consent(server: Server) -> None:
    key, _ = consenting(server)
    context = a_print(server, key)
    answer = feedback(server, key, context)
    assert (answer.status_code, answer.json()["ImagesKept"]) == (200, 1)
    assert pictures(server) == {picture(0.1)}


def test_without_consent_feedback_counts_and_no_picture_is_kept(server: Server) -> None:
    key = server.new_key()
    answer = feedback(server, key, a_print(server, key))
    assert (answer.status_code, answer.json()["ImagesKept"]) == (200, 0)
    assert (len(rows(server)), pictures(server)) == (1, set())


def test_a_call_may_refuse_what_the_account_allows(server: Server) -> None:
    key, _ = consenting(server)
    answer = feedback(server, key, a_print(server, key), ShareImages=False)
    assert (answer.status_code, answer.json()["ImagesKept"]) == (200, 0)
    assert (len(rows(server)), pictures(server)) == (1, set())


def test_a_call_cannot_allow_what_the_account_does_not(server: Server) -> None:
    key = server.new_key()
    assert feedback(server, key, a_print(server, key), ShareImages=True).json()["ImagesKept"] == 0
    assert pictures(server) == set()


def test_the_pictures_around_an_alarm_are_kept(server: Server) -> None:
    key, _ = consenting(server)
    context = server.new_context(key)
    shown = []
    for number, failure in enumerate([0.03] * 4 + [0.95] * 8 + [0.03] * 3):
        shown.append(picture(failure, seed=number))
        assert server.process(key, context, shown[-1]).status_code == 200
        server.clock.advance(60)
    assert feedback(server, key, context, "false_alarm").json()["ImagesKept"] == 4
    kept = pictures(server)
    assert kept > set(shown[-3:])
    assert len(kept & set(shown[4:12])) == 1


@pytest.mark.parametrize(
    ("kind", "verdict"), [("missed_failure", "missed"), ("correct_alarm", "correct_alarm"), ("good", "good")]
)
def test_every_verdict_is_taken_with_what_is_known(server: Server, kind: str, verdict: str) -> None:
    key = server.new_key()
    context = a_print(server, key)
    answer = feedback(server, key, context, kind, FailureKind="warping", Comment=" at the\n back ")
    assert (answer.status_code, answer.json()["Kind"]) == (200, kind)
    (row,) = rows(server)
    assert (row.kind, row.reported_type, row.comment) == (verdict, "warping", "at the back")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Kind", "terrible"),
        ("Kind", None),
        ("FailureKind", "dragons"),
        ("FailureKind", 3),
        ("Comment", "x" * 501),
        ("Comment", "a\u202eb"),
        ("Comment", ["text"]),
        ("ShareImages", "yes"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_kept(
    server: Server, field: str, value: object
) -> None:
    key, _ = consenting(server)
    context = a_print(server, key)
    body = {"Kind": "good", field: value}
    answer = server.http.post(f"{BASE}/feedback/{context}", json=body, headers={"X-API-Key": key})
    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "OE_BAD_ARGS")
    assert field in answer.json()["ErrorDetails"]
    assert (rows(server), pictures(server)) == ([], set())


def test_the_same_feedback_on_the_same_picture_is_kept_once(server: Server) -> None:
    key, _ = consenting(server)
    context = a_print(server, key)
    for _ in range(5):
        assert feedback(server, key, context).status_code == 200
    assert len(rows(server)) == len(list(server.services.objects.list("examples"))) == 1


def test_a_full_disk_answers_503_and_leaves_nothing_behind(server: Server) -> None:
    key, _ = consenting(server)
    context = a_print(server, key)
    assert len(picture(0.1)) > 512
    with full_disk():
        answer = feedback(server, key, context)
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert (rows(server), pictures(server), revision(server, context)) == ([], set(), 1)
    assert feedback(server, key, context).status_code == 200


def test_a_database_that_cannot_be_written_answers_503_and_leaves_no_picture(server: Server) -> None:
    key, _ = consenting(server)
    context = a_print(server, key)
    with read_only(server.services.database):
        assert feedback(server, key, context).status_code == 503
    assert (rows(server), pictures(server)) == ([], set())


def test_feedback_on_a_print_without_inspection_leaves_nothing(server: Server) -> None:
    key, _ = consenting(server)
    assert feedback(server, key, server.new_context(key)).status_code == 400
    assert (rows(server), pictures(server)) == ([], set())


def test_a_print_has_a_limit(server_on_each: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server = server_on_each
    monkeypatch.setattr(limits, "FEEDBACK_PER_PRINT", 3)
    key, _ = consenting(server)
    context, other = a_print(server, key), a_print(server, key)
    for failure in (0.1, 0.2, 0.3):
        show(server, context, picture(failure))
        assert feedback(server, key, context).status_code == 200
    show(server, context, picture(0.4))
    refused = feedback(server, key, context)
    assert len(rows(server)) == len(list(server.services.objects.list("examples"))) == 3
    assert (refused.status_code, refused.json()["ErrorType"]) == (429, "OE_CONTEXT_RATE_LIMITED")
    assert int(refused.headers["Retry-After"]) >= 1
    assert feedback(server, key, other).status_code == 200


def test_an_account_has_a_limit_a_day(server_on_each: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server = server_on_each
    monkeypatch.setattr(limits, "FEEDBACK_PER_DAY", 2)
    key, account = server.new_key_of()
    prints = [a_print(server, key) for _ in range(6)]
    with ThreadPoolExecutor(6) as at_once:
        answers = list(at_once.map(lambda context: feedback(server, key, context), prints))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429, 429]
    second_key, _ = server.new_key_of(account)
    assert feedback(server, second_key, a_print(server, second_key)).status_code == 429
    assert len(rows(server)) == 2
    strangers = server.new_key()
    assert feedback(server, strangers, a_print(server, strangers)).status_code == 200
    server.clock.advance(timedelta(days=1, seconds=1).total_seconds())
    assert feedback(server, key, a_print(server, key)).status_code == 200


def test_pictures_of_a_day_are_bounded_and_feedback_beyond_counts_without_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PICTURE_BYTES_PER_DAY", len(picture(0.1)))
    key, _ = consenting(server)
    for failure in (0.1, 0.3):
        assert feedback(server, key, a_print(server, key, failure)).status_code == 200
    assert len(rows(server)) == 2
    assert pictures(server) == {picture(0.1)}


def test_taking_feedback_back_takes_its_pictures(server: Server) -> None:
    key, _ = consenting(server)
    context = a_print(server, key)
    assert feedback(server, key, context).status_code == 200
    assert feedback(server, key, context, "undo").status_code == 200
    assert (rows(server), pictures(server)) == ([], set())
