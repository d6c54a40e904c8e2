"""A connection carries plain HTTP/1.1 requests, one after the other. All else is refused, and it closes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest

from layerwatch.api.routes import BASE
from layerwatch.config import Settings
from layerwatch.serving import http_protocol
from tests.support.raw_http import answers, dial, is_closed
from tests.support.servers import Server, running

POST = b"POST /livez HTTP/1.1\r\nHost: test\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"

REFUSED = {
    "an upgrade with a body": POST + b"Connection: Upgrade\r\nUpgrade: foo\r\nContent-Length: 5\r\n\r\nhello",
    "an upgrade to websocket": POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "two upgrades": POST + b"Connection: Upgrade\r\nUpgrade: h2c, foo\r\n\r\n",
    "a trailer": CHUNKED + b"0\r\nX: y\r\n\r\n",
    "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "a length with leading zeros": POST + b"Content-Length: 005\r\n\r\nhello",
    "an empty length": POST + b"Content-Length:\r\n\r\n",
    "a length beyond reason": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /livez HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk size in hexadecimal notation": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "a chunk size that overflows": CHUNKED + b"100000000000000005\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"4\r\nhello\r\n0\r\n\r\n",
    "a chunk line with a bare LF": CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    "a chunk extension with a bare LF": CHUNKED + b"5;a\nhello\r\n0\r\n\r\n",
    "a chunk extension with a control character": CHUNKED + b"5;a=\x00\r\nhello\r\n0\r\n\r\n",
    "a chunk extension without end": CHUNKED + b"5;" + b"a" * 1000,
    "two hosts": POST + b"Host: other\r\n\r\n",
    "no host": b"GET /livez HTTP/1.1\r\n\r\n",
    "a host that is none": b"GET /livez HTTP/1.1\r\nHost: a/b@c\r\n\r\n",
    "two keys": POST + b"X-API-Key: a\r\nX-API-Key: b\r\n\r\n",
    "two idempotency keys": POST + b"Idempotency-Key: a\r\nidempotency-key: a\r\n\r\n",
    "two versions": POST + b"X-API-Version: 1\r\nX-API-Version: 2\r\n\r\n",
    "two content types": POST + b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
    "a folded header": POST + b"X: a\r\n b\r\n\r\n",
    "a folded first header": b"GET /livez HTTP/1.1\r\n Host: test\r\n\r\n",
    "bare LFs": NEXT.replace(b"\r\n", b"\n"),
    "one bare LF": POST + b"X: a\nY: b\r\n\r\n",
    "a bare CR": POST + b"X: a\rY: b\r\n\r\n",
    "a NUL": POST + b"X: a\x00b\r\n\r\n",
    "white space before the colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "a header without a colon": POST + b"X\r\n\r\n",
    "a header without a name": POST + b": x\r\n\r\n",
    "a URL of another host": b"GET http://other/livez HTTP/1.1\r\nHost: test\r\n\r\n",
    "a URL with a user": b"GET http://test@test/livez HTTP/1.1\r\nHost: test\r\n\r\n",
    "another scheme": b"GET file:///livez HTTP/1.1\r\nHost: test\r\n\r\n",
    "a tunnel": b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n",
    "a fragment": b"GET /livez#a HTTP/1.1\r\nHost: test\r\n\r\n",
    "a path that is not ASCII": b"GET /\xc3\xa4 HTTP/1.1\r\nHost: test\r\n\r\n",
    "a space too many": b"GET  /livez HTTP/1.1\r\nHost: test\r\n\r\n",
    "tabs in the request line": b"GET\t/livez\tHTTP/1.1\r\nHost: test\r\n\r\n",
    "no version": b"GET /livez\r\nHost: test\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method in lower case": b"get /livez HTTP/1.1\r\nHost: test\r\n\r\n",
    "another expectation": POST + b"Expect: a-miracle\r\n\r\n",
    "too many headers": POST + b"X: y\r\n" * 200 + b"\r\n",
    "a header that is too large": POST + b"X: " + b"y" * 40_000 + b"\r\n\r\n",
    "a path that is too long": b"GET /" + b"y" * 10_000 + b" HTTP/1.1\r\nHost: test\r\n\r\n",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of these: what is refused leaves no trace in it."""
    with running(Settings(data_dir=tmp_path_factory.mktemp("refused"), log_level="error")) as started:
        yield started


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_single_plain_reading_is_refused_and_the_connection_closed(
    shared: Server, sent: bytes
) -> None:
    with dial(shared.port) as connection:
        connection.sendall(sent + NEXT)
        (refused,) = answers(connection, 2)
    assert (refused.status, refused.error, refused.headers["connection"]) == (400, "OE_BAD_ARGS", "close")
    assert len(refused.headers["x-request-id"]) == 32


@pytest.mark.parametrize("pieces", [1, 7, 1000], ids=["byte by byte", "in sevens", "at once"])
def test_it_does_not_matter_how_the_bytes_arrive(shared: Server, pieces: int) -> None:
    sent = CHUNKED + b"5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n" + NEXT
    with dial(shared.port) as connection:
        for start in range(0, len(sent), pieces):
            connection.sendall(sent[start : start + pieces])
        assert [answer.status for answer in answers(connection, 2)] == [405, 200]


def test_the_body_of_a_request_that_offers_http2_is_read_as_its_body(shared: Server) -> None:
    """Java's HttpClient makes this offer; the server may ignore it and answers in HTTP/1.1."""
    key = shared.new_key()
    offer = (
        f"POST {BASE}/createcontext HTTP/1.1\r\nHost: test\r\nX-API-Key: {key}\r\n"
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
    )
    wrong = b'{"WarningConfidenceLevel": 9}'
    with dial(shared.port) as connection:
        connection.sendall(f"{offer}Content-Length: {len(wrong)}\r\n\r\n".encode())
        connection.sendall(wrong + NEXT)
        first, second = answers(connection, 2)
    assert (first.status, first.error) == (400, "OE_BAD_ARGS")
    assert (second.status, second.body) == (200, shared.http.get("/livez").content)


def test_a_url_of_the_same_host_is_a_path(shared: Server) -> None:
    with dial(shared.port) as connection:
        connection.sendall(b"GET http://TEST:80/livez?a=b HTTP/1.1\r\nHost: test:80\r\n\r\n")
        assert answers(connection, 1)[0].status == 200


def test_an_empty_line_before_a_request_does_no_harm(shared: Server) -> None:
    """Clients written by hand send one after their body."""
    with dial(shared.port) as connection:
        connection.sendall(b"\r\n" + NEXT + b"\r\n" + NEXT)
        assert [answer.status for answer in answers(connection, 2)] == [200, 200]


def test_requests_that_were_sent_ahead_are_answered_in_order(shared: Server) -> None:
    paths = [b"/livez", b"/nothing", b"/readyz", b"/docs"] * 50
    with dial(shared.port) as connection:
        connection.sendall(b"".join(b"GET %b HTTP/1.1\r\nHost: test\r\n\r\n" % path for path in paths))
        assert [answer.status for answer in answers(connection, 200)] == [200, 404, 200, 200] * 50


def test_a_refusal_waits_for_the_answer_to_what_came_before(shared: Server) -> None:
    with dial(shared.port) as connection:
        connection.sendall(NEXT + b"nonsense\r\n\r\n" + NEXT)
        assert [answer.status for answer in answers(connection, 3)] == [200, 400]


def test_a_broken_body_gets_no_second_answer(shared: Server) -> None:
    key = shared.new_key()
    sent = f"POST {BASE}/process/x HTTP/1.1\r\nHost: test\r\nX-API-Key: {key}\r\n".encode()
    with dial(shared.port) as connection:
        connection.sendall(sent + b"Transfer-Encoding: chunked\r\n\r\n5\r\nh")
        (first,) = answers(connection, 1)
        assert first.status == 500  # before its body was whole
        connection.sendall(b"nonsense\r\n")
        assert is_closed(connection)


@pytest.mark.parametrize("line", [b"X: y\r\n", b"x" * 1000], ids=["trailers", "a trailer"])
def test_what_follows_the_last_chunk_costs_no_memory(shared: Server, line: bytes) -> None:
    before = psutil.Process().memory_info().rss
    with dial(shared.port) as connection:
        connection.sendall(CHUNKED + b"0\r\n")
        assert is_closed_under(connection, line)
    assert psutil.Process().memory_info().rss - before < 20 * 2**20


def test_requests_sent_ahead_without_end_cost_no_memory(shared: Server) -> None:
    """A client that never reads: its answers, and so its requests, back up to it."""
    before = psutil.Process().memory_info().rss
    block = NEXT * 2000
    with dial(shared.port, timeout=1) as connection, pytest.raises(TimeoutError):
        for _ in range(1000):
            connection.sendall(block)
    assert psutil.Process().memory_info().rss - before < 40 * 2**20


def is_closed_under(connection: object, line: bytes) -> bool:
    """Whether the server closes within the first 64 MiB of repeated lines."""
    block = line * (65536 // len(line))
    try:
        for _ in range(1024):
            connection.sendall(block)  # type: ignore[attr-defined]
    except ConnectionError:
        return True
    return False


@pytest.fixture
def impatient(server_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that gives a head, a body and an answer a fraction of a second."""
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(http_protocol, "KEEP_ALIVE_SECONDS", 0.3)
    monkeypatch.setattr(http_protocol, "AFTER_ANSWER_SECONDS", 0.3)
    hasty = server_settings.model_copy(update={"upload_silence": 0.3, "upload_seconds": 0.6})
    with running(hasty) as started:
        yield started


FORM = b"POST %b HTTP/1.1\r\nHost: test\r\nContent-Type: %b\r\nContent-Length: 500\r\n\r\n"


@pytest.mark.parametrize(
    "path",
    ["/console/sign-in", "/console/sign-up", "/console/payments/stripe", f"{BASE}/createcontext", "/nothing"],
)
def test_a_body_that_drips_ends_on_every_route(impatient: Server, path: str) -> None:
    began = time.monotonic()
    with dial(impatient.port) as connection:
        connection.sendall(FORM % (path.encode(), b"application/x-www-form-urlencoded"))
        closed = False
        while not closed and time.monotonic() < began + 10:
            try:
                connection.sendall(b"x")
            except ConnectionError:
                closed = True
            time.sleep(0.05)
    assert closed


def test_a_connection_without_a_request_ends(impatient: Server) -> None:
    with dial(impatient.port) as connection:
        assert is_closed(connection)

    with dial(impatient.port) as connection:
        connection.sendall(NEXT)
        assert answers(connection, 1)[0].status == 200
        assert is_closed(connection)
