"""Whatever is sent, the answer is one of the contract's, nothing is billed, and the server lives on."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from layerwatch.api.routes import BASE
from layerwatch.config import Settings
from layerwatch.serving import http_protocol
from layerwatch.storage import StorageUnavailable
from layerwatch.vision import MAX_PICTURE_BYTES
from layerwatch.vision.errors import Busy
from layerwatch.vision.evidence import Evidence
from tests.support.fake_detector import picture
from tests.support.servers import Server, running


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and ErrorType, once the answer is known to be of the contract's form."""
    body = answer.json()
    assert list(body) == ["ErrorType", "ErrorDetails"]
    assert body["ErrorDetails"]
    assert len(answer.headers["X-Request-Id"]) == 32
    return answer.status_code, body["ErrorType"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("POST", f"{BASE}/process", 404),
        ("POST", f"{BASE}/process/", 404),
        ("POST", f"{BASE}/createcontext/", 404),
        ("POST", f"{BASE}/process/a/b", 404),
        ("GET", f"{BASE}/createcontext", 405),
        ("PUT", f"{BASE}/process/abc", 405),
        ("DELETE", "/livez", 405),
        ("OPTIONS", f"{BASE}/createcontext", 405),
        ("BREW", f"{BASE}/createcontext", 405),
    ],
)
def test_unknown_paths_and_methods(server: Server, method: str, path: str, status: int) -> None:
    answer = server.http.request(method, path)
    assert refusal(answer) == (status, "OE_BAD_ARGS")


def test_a_wrong_method_gets_the_allowed_ones(server: Server) -> None:
    assert server.http.get(f"{BASE}/createcontext").headers["Allow"] == "POST"


@pytest.mark.parametrize("call", ["createcontext", "process/abc", "feedback/abc"])
def test_keys_that_are_missing_unknown_or_disabled(server: Server, call: str) -> None:
    def post(**headers: str) -> tuple[int, str]:
        return refusal(server.http.post(f"{BASE}/{call}", headers=headers))

    assert post() == (401, "OE_INVALID_API_KEY")
    assert post(**{"X-API-Key": ""}) == (401, "OE_INVALID_API_KEY")
    assert post(**{"X-API-Key": "prod_" + "x" * 36}) == (401, "OE_INVALID_API_KEY")
    assert post(**{"X-API-Key": "k" * 30_000}) == (401, "OE_INVALID_API_KEY")
    assert post(**{"X-API-Key": server.new_key(disabled=True)}) == (403, "OE_API_KEY_DISABLED")


def test_a_key_that_cannot_be_checked_is_no_bad_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object, **__: object) -> None:
        raise StorageUnavailable("down")

    key = server.new_key()
    monkeypatch.setattr(server.services.database, "lookups", down)
    answer = server.create_context(key)
    assert refusal(answer) == (503, "OE_BACKEND_THROTTLED")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_bad_key_is_refused_before_the_body_is_read(server: Server, status: int) -> None:
    key = "unknown" if status == 401 else server.new_key(disabled=True)
    with raw(server, f"{BASE}/process/abc", {"X-API-Key": key, "Content-Length": "1000000"}) as connection:
        assert f" {status} ".encode() in connection.recv(4096)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"WarningConfidenceLevel": 6}', "OE_BAD_ARGS"),
        (b'{"PauseConfidenceLevel": true}', "OE_BAD_ARGS"),
        (b"[]", "OE_ARGS_PARSE_FAILED"),
        (b"\xff", "OE_ARGS_PARSE_FAILED"),
    ],
)
def test_createcontext_refuses(server: Server, body: bytes, kind: str) -> None:
    assert refusal(server.create_context(server.new_key(), body)) == (400, kind)


def test_a_json_body_is_bounded(server: Server) -> None:
    key = server.new_key()
    assert refusal(server.create_context(key, b" " * 70_000)) == (413, "OE_BAD_ARGS")
    chunked = server.http.post(
        f"{BASE}/createcontext", content=iter([b" " * 9000] * 10), headers={"X-API-Key": key}
    )
    assert refusal(chunked) == (413, "OE_BAD_ARGS")


@pytest.mark.parametrize("version", ["0", "3", "", "1.0"])
def test_another_dialect_is_refused_by_both_calls(server: Server, version: str) -> None:
    key = server.new_key()
    headers = {"X-API-Version": version}
    assert refusal(server.create_context(key, **headers)) == (400, "OE_BAD_ARGS")
    assert refusal(server.process(key, server.new_context(key), **headers)) == (400, "OE_BAD_ARGS")


def truncated() -> bytes:
    whole = picture()
    return whole[: len(whole) // 2]


@pytest.mark.parametrize(
    "file",
    [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, truncated(), picture()[:2], b"\xff" * 5000],
    ids=["empty", "text", "png", "truncated", "two bytes", "noise"],
)
def test_what_is_no_jpeg_is_refused_and_free(server: Server, file: bytes) -> None:
    key, account = server.new_key_of()
    context = server.new_context(key)
    assert refusal(server.process(key, context, file)) == (400, "OE_IMAGE_DECODE_FAILED")
    assert server.billed(account) == 0
    assert server.process(key, context).status_code == 200


def test_a_picture_of_the_largest_size_is_taken_and_a_larger_one_is_not(server: Server) -> None:
    key = server.new_key()
    whole = picture()
    largest = whole + b"\0" * (MAX_PICTURE_BYTES - len(whole))
    assert server.process(key, server.new_context(key), largest).status_code == 200
    assert refusal(server.process(key, server.new_context(key), largest + b"\0")) == (413, "OE_BAD_ARGS")


def test_an_upload_without_end_is_cut_off_and_costs_no_memory(server: Server) -> None:
    key = server.new_key()
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
        for _ in range(64):
            sent += 1
            assert server.services.admission.bytes_held <= MAX_PICTURE_BYTES
            yield b"\xff" * 1024 * 1024

    answer = server.http.post(
        f"{BASE}/process/{server.new_context(key)}",
        content=endless(),
        headers={"X-API-Key": key, "Content-Type": "multipart/form-data; boundary=x"},
    )
    assert refusal(answer) == (413, "OE_BAD_ARGS")
    assert server.services.admission.bytes_held == 0
    assert server.process(key, server.new_context(key)).status_code == 200


def test_two_files_and_none_are_refused(server: Server) -> None:
    key, account = server.new_key_of()
    url, headers = f"{BASE}/process/{server.new_context(key)}", {"X-API-Key": key}
    two = [("a", ("a.jpg", picture())), ("b", ("b.jpg", picture()))]
    assert refusal(server.http.post(url, files=two, headers=headers)) == (400, "OE_BAD_ARGS")
    assert refusal(server.http.post(url, files={"a": (None, "text")}, headers=headers)) == (
        400,
        "OE_BAD_ARGS",
    )
    assert refusal(server.http.post(url, content=picture(), headers=headers)) == (400, "OE_BAD_ARGS")
    assert refusal(server.http.post(url, headers=headers)) == (400, "OE_BAD_ARGS")
    assert server.billed(account) == 0


def test_half_a_body_and_then_silence(server_settings: Settings) -> None:
    impatient = server_settings.model_copy(update={"upload_silence": 0.2})
    with running(impatient) as server:
        key, account = server.new_key_of()
        context = server.new_context(key)
        headers = {
            "X-API-Key": key,
            "Content-Length": "5000",
            "Content-Type": "multipart/form-data; boundary=x",
        }
        half = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + picture()[:2000]
        with raw(server, f"{BASE}/process/{context}", headers, half) as connection:
            answer = connection.recv(4096)
            assert b" 400 " in answer
            assert b"OE_BAD_ARGS" in answer
            assert connection.recv(4096) == b""
        with raw(server, f"{BASE}/process/{context}", headers, half):
            pass  # gone without a word
        assert server.process(key, context).status_code == 200
        assert server.billed(account) == 1
        assert server.services.admission.under_way == 0


def test_a_head_that_never_ends_is_dropped(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
        assert b"OE_BAD_ARGS" in connection.recv(4096)
        assert connection.recv(100) == b""


def test_a_head_without_bounds_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 300_000)
        assert b"OE_BAD_ARGS" in connection.recv(4096)


def test_what_is_not_http_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        head, body = connection.recv(4096).split(b"\r\n\r\n")
    assert b" 400 " in head
    assert b"x-request-id" in head
    assert json.loads(body)["ErrorType"] == "OE_BAD_ARGS"


class BrokenInspector:
    """Raises the given error."""

    model_version = "broken"

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def ainspect(self, jpeg: bytes, deadline: float | None = None) -> Evidence:
        raise self.error

    def close(self) -> None:
        pass


def test_a_crash_is_an_internal_error_that_tells_nothing(server_settings: Settings) -> None:
    quiet = server_settings.model_copy(update={"log_level": "critical"})
    broken = BrokenInspector(Busy("starting"))
    with running(quiet, vision=broken) as server:
        broken.error = RuntimeError("/secret/path password")
        key, account = server.new_key_of()
        answer = server.process(key, server.new_context(key))
        assert refusal(answer) == (500, "OE_INTERNAL_ERROR")
        assert answer.json()["ErrorDetails"] != "Failed to get context object."
        assert "secret" not in answer.text
        assert server.billed(account) == 0


def test_too_busy_has_a_retry_after(server_settings: Settings) -> None:
    with running(server_settings, vision=BrokenInspector(Busy("full"))) as server:
        key, account = server.new_key_of()
        answer = server.process(key, server.new_context(key))
        assert refusal(answer) == (503, "OE_BACKEND_THROTTLED")
        assert 38 <= int(answer.headers["Retry-After"]) <= 42
        assert server.billed(account) == 0


def test_a_full_queue_refuses_before_the_upload(server: Server) -> None:
    key = server.new_key()
    context = server.new_context(key)
    server.services.admission.under_way = 10_000
    headers = {"X-API-Key": key, "Content-Length": "1000000"}
    began = time.monotonic()
    with raw(server, f"{BASE}/process/{context}", headers) as connection:
        assert b"OE_BACKEND_THROTTLED" in connection.recv(4096)
    assert time.monotonic() - began < 1
    server.services.admission.under_way = 0


def test_a_database_that_fails_at_the_end_is_done_without_and_charged_once_it_is_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, account = server.new_key_of()
    context = server.new_context(key)

    def fails(*_: object, **__: object) -> None:
        raise StorageUnavailable("disk full")

    monkeypatch.setattr(server.services.database, "transact", fails)
    assert server.process(key, context).status_code == 200
    assert refusal(server.process(key, context)) == (429, "OE_CONTEXT_RATE_LIMITED")
    monkeypatch.undo()
    deadline = time.monotonic() + 10
    while server.billed(account) == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.billed(account) == 1


def raw(server: Server, path: str, headers: dict[str, str], body: bytes = b"") -> socket.socket:
    """A connection on which the head of a POST, and a part of its body, were sent."""
    head = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    connection = socket.create_connection(("127.0.0.1", server.port), 5)
    connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
    return connection
