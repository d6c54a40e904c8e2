"""In overload a call is refused from its head alone, with the same answer as by the long way."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from layerwatch.api.load_shedding import Door, LoadShedder
from layerwatch.api.routes import BASE
from tests.support.prints import frame
from tests.support.servers import Server


@pytest.fixture
def full(server: Server) -> Iterator[Server]:
    """A server whose queue is full."""
    admission = server.services.admission
    free, admission.under_way = admission.under_way, 10_000
    yield server
    admission.under_way = free


def head(server: Server, key: str, context: str, length: int, *more: str) -> bytes:
    lines = [
        f"POST {BASE}/process/{context} HTTP/1.1",
        "Host: test",
        f"X-API-Key: {key}",
        "Content-Type: multipart/form-data; boundary=b",
        f"Content-Length: {length}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def answer_of(connection: socket.socket) -> tuple[int, bytes]:
    """Status and the rest of one answer."""
    data = b""
    while b"}" not in data:
        received = connection.recv(65536)
        assert received, f"closed after {data!r}"
        data += received
    return int(data.split()[1]), data


def test_the_answer_is_that_of_the_long_way(full: Server) -> None:
    key = full.new_key()
    context = full.new_context(key)
    short = full.process(key, context)
    long = full.process(key, context, query="?detail=1")  # a query always goes the long way
    assert short.status_code == long.status_code == 503
    assert short.json()["ErrorType"] == long.json()["ErrorType"] == "OE_BACKEND_THROTTLED"
    assert short.json().keys() == long.json().keys()
    for answer in (short, long):
        assert 20 <= int(answer.headers["Retry-After"]) <= 300
        assert len(answer.headers["X-Request-Id"]) == 32
        assert answer.headers["Content-Type"] == "application/json"


def test_it_comes_before_the_body(full: Server) -> None:
    key = full.new_key()
    with connect(full) as connection:
        connection.sendall(head(full, key, full.new_context(key), 4_000_000))
        assert answer_of(connection)[0] == 503


def test_the_connection_goes_on_after_what_is_left_of_the_body(full: Server) -> None:
    key = full.new_key()
    with connect(full) as connection:
        for _ in range(3):
            connection.sendall(head(full, key, full.new_context(key), 300_000))
            assert answer_of(connection)[0] == 503
            connection.sendall(b"x" * 300_000)


def test_a_connection_that_was_to_close_closes_once_the_body_is_read(full: Server) -> None:
    key = full.new_key()
    with connect(full) as connection:
        connection.sendall(head(full, key, full.new_context(key), 300_000, "Connection: close"))
        status, text = answer_of(connection)
        assert (status, b"connection: close" in text) == (503, True)
        connection.sendall(b"x" * 300_000)
        assert connection.recv(1) == b""


def test_a_client_that_asks_first_need_not_send_its_body(full: Server) -> None:
    key = full.new_key()
    with connect(full) as connection:
        connection.sendall(head(full, key, full.new_context(key), 300_000, "Expect: 100-continue"))
        assert answer_of(connection)[0] == 503


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"X-API-Key": "prod_nobody"}, 401, "OE_INVALID_API_KEY"),
        ({"X-API-Version": "7"}, 400, "OE_BAD_ARGS"),
        ({"Idempotency-Key": "one"}, 400, "OE_BAD_ARGS"),
        ({}, 500, "OE_INTERNAL_ERROR"),  # with a foreign context, below
    ],
)
def test_what_is_wrong_with_a_call_goes_before_being_busy(
    full: Server, change: dict[str, str], status: int, error: str
) -> None:
    key = full.new_key()
    context = full.new_context(key if change else full.new_key())
    full.process(key, full.new_context(key))  # the key is known by now
    answer = full.http.post(
        f"{BASE}/process/{context}",
        files={"file": ("a.jpg", frame(0.1, 1))},
        headers={"X-API-Key": key, **change},
    )
    assert (answer.status_code, answer.json()["ErrorType"]) == (status, error)


def test_it_is_counted_like_any_other(full: Server) -> None:
    key = full.new_key()
    context = full.new_context(key)
    for _ in range(3):
        full.process(key, context)
    metrics = full.http.get("/metrics").text
    route = f"{BASE}/process/{{context_id}}"
    assert f'layerwatch_requests_total{{route="{route}",status="503"}} 3.0' in metrics
    assert 'layerwatch_errors_total{type="OE_BACKEND_THROTTLED"} 3.0' in metrics


@pytest.fixture
def door(full: Server) -> TestClient:
    """The full server's application behind a `Door`, without our HTTP protocol before it."""

    async def long_way(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("the long way", 418)(scope, receive, send)

    return TestClient(Door(long_way, LoadShedder(full.services)))


def test_behind_another_servers_protocol_it_is_the_same(full: Server, door: TestClient) -> None:
    key = full.new_key()
    context = full.new_context(key)
    refused = door.post(f"{BASE}/process/{context}", headers={"X-API-Key": key})
    assert (refused.status_code, refused.json()["ErrorType"]) == (503, "OE_BACKEND_THROTTLED")
    assert 20 <= int(refused.headers["Retry-After"]) <= 300
    for other in (f"{BASE}/process/{context}?detail=1", f"{BASE}/createcontext"):
        assert door.post(other, headers={"X-API-Key": key}).status_code == 418


def test_with_room_nothing_is_turned_away(server: Server) -> None:
    key = server.new_key()
    answer: httpx.Response = server.process(key, server.new_context(key))
    assert answer.status_code == 200
