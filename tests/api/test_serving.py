"""What the server says of itself: URLs, documents, health, metrics, request ids."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import select

from layerwatch.api.routes import BASE
from layerwatch.config import Settings
from layerwatch.learning.models import FeedbackRow
from layerwatch.storage import StorageUnavailable
from tests.support.prints import frame
from tests.support.servers import Server, running


def test_urls_come_from_the_configuration_not_from_the_host_header(server_settings: Settings) -> None:
    configured = server_settings.model_copy(
        update={"public_url": "https://eu.example.org", "fallback_url": "https://any.example.org"}
    )
    with running(configured) as server:
        answer = server.create_context(server.new_key(), Host="evil.example.net").json()
    path = f"{BASE}/process/{answer['ContextId']}"
    assert answer["ProcessRequestUrl"] == f"https://eu.example.org{path}"
    assert answer["FallbackProcessRequestUrl"] == f"https://any.example.org{path}"


def test_the_host_header_counts_where_the_operator_says_so(server_settings: Settings) -> None:
    with running(server_settings.model_copy(update={"trust_host_header": True})) as server:
        answer = server.create_context(server.new_key(), Host="printer.local:8080").json()
    assert answer["ProcessRequestUrl"].startswith("http://printer.local:8080/api/")


def test_both_urls_work(server: Server) -> None:
    key = server.new_key()
    answer = server.create_context(key).json()
    for url in (answer["ProcessRequestUrl"], answer["FallbackProcessRequestUrl"]):
        files = {"file": ("a.jpg", frame(0.1, 1))}
        assert server.http.post(url, files=files, headers={"X-API-Key": key}).status_code == 200
        server.clock.advance(60)


def test_every_answer_has_a_request_id_of_its_own(server: Server) -> None:
    key = server.new_key()
    answers = [
        server.create_context(key),
        server.create_context("wrong"),
        server.http.get("/nothing"),
        server.http.get("/livez"),
        server.http.head("/docs"),
        server.http.get("/console/nothing"),
    ]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == len(answers)


def test_without_its_database_a_node_is_still_ready_and_says_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.http.get("/readyz").json() == {"Status": "ready", "Model": "fake"}

    def down(*_: object) -> None:
        raise StorageUnavailable("down")

    monkeypatch.setattr(server.services.database, "read", down)
    answer = server.http.get("/readyz")
    assert (answer.status_code, answer.json()["Database"]) == (200, "away")
    assert server.http.get("/livez").status_code == 200


def test_metrics_count_what_happened(server: Server) -> None:
    key = server.new_key()
    context = server.new_context(key)
    server.process(key, context)
    server.process(key, context)
    text = server.http.get("/metrics").text
    assert 'layerwatch_inspections_total{condition="ok",decision="none"} 1.0' in text
    assert 'layerwatch_errors_total{type="OE_CONTEXT_RATE_LIMITED"} 1.0' in text
    assert f'layerwatch_requests_total{{route="{BASE}/createcontext",status="200"}} 1.0' in text
    assert context not in text
    assert key not in text


def feedback(server: Server, key: str, context: str, kind: object) -> httpx.Response:
    return server.http.post(f"{BASE}/feedback/{context}", json={"Kind": kind}, headers={"X-API-Key": key})


def fail(server: Server, key: str, context: str, frames: range) -> list[bool]:
    """Show frames that are healthy up to the fourth and fail from then on; whether each warned."""
    warned = []
    for number in frames:
        answer = server.process(key, context, frame(0.02 if number < 4 else 0.9, number))
        warned.append(bool(answer.json()["WarningSuggested"]))
        server.clock.advance(45)
    return warned


def test_a_reported_false_alarm_is_not_repeated(server: Server) -> None:
    key, account = server.new_key_of()
    context = server.new_context(key)
    assert fail(server, key, context, range(9))[-1] is True
    assert feedback(server, key, context, "false_alarm").status_code == 200
    assert fail(server, key, context, range(9, 14)) == [False] * 5
    assert server.billed(account) == 14


@pytest.mark.parametrize("kind", ["wrong", "", None, 3, ["missed"]])
def test_feedback_of_another_kind_is_refused(server: Server, kind: object) -> None:
    key = server.new_key()
    context = server.new_context(key)
    server.process(key, context)
    answer = feedback(server, key, context, kind)
    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "OE_BAD_ARGS")


def test_feedback_needs_a_picture_to_speak_of(server: Server) -> None:
    key = server.new_key()
    assert feedback(server, key, server.new_context(key), "missed").status_code == 400


def test_feedback_on_a_foreign_context_finds_none(server: Server) -> None:
    key = server.new_key()
    context = server.new_context(key)
    server.process(key, context)
    answer = feedback(server, server.new_key(), context, "missed")
    assert (answer.status_code, answer.json()["ErrorDetails"]) == (500, "Failed to get context object.")


def test_an_undone_false_alarm_warns_again_and_is_not_reviewed(server: Server) -> None:
    key, account = server.new_key_of()
    context = server.new_context(key)
    assert fail(server, key, context, range(9))[-1] is True
    assert feedback(server, key, context, "false_alarm").status_code == 200
    assert fail(server, key, context, range(9, 11)) == [False] * 2
    for _ in range(2):  # a repeat of an undo whose answer was lost takes back nothing else
        answer = feedback(server, key, context, "undo")
        assert (answer.status_code, answer.json()["Kind"]) == (200, "undo")
    assert fail(server, key, context, range(11, 13)) == [True] * 2
    with server.services.database.read() as session:
        assert session.scalars(select(FeedbackRow)).all() == []
    assert server.billed(account) == 13


def test_undo_takes_back_the_last_word_only(server: Server) -> None:
    key = server.new_key()
    context = server.new_context(key)
    server.process(key, context)
    for kind in ("resumed", "missed", "undo", "undo"):
        assert feedback(server, key, context, kind).status_code == 200
    with server.services.database.read() as session:
        assert [row.kind for row in session.scalars(select(FeedbackRow))] == ["resumed"]
