"""Web pages of listed origins may call the API; no other page may, and none of them with cookies."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from layerwatch.api.routes import BASE
from layerwatch.config import ConfigError, Settings, load
from tests.support.fake_detector import picture
from tests.support.servers import Server, running

LISTED = "https://app.example.org"
FOREIGN = [
    "https://evil.example",
    "https://app.example.org.evil.example",
    "http://app.example.org",
    "https://app.example.org:8443",
    "https://APP.example.org",
    "null",
    "*",
    f"{LISTED}, {LISTED}",
]


@pytest.fixture
def open_server(server_settings: Settings) -> Iterator[Server]:
    listed = {"cors_origins": f"{LISTED}, http://localhost:3000"}
    with running(server_settings.model_copy(update=listed)) as server:
        yield server


def preflight(server: Server, origin: str, path: str = f"{BASE}/createcontext") -> httpx.Response:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key" + ", x-junk" * 500,
    }
    return server.http.options(path, headers=asked)


def cors(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("origin", [LISTED, "http://localhost:3000"])
def test_a_listed_origin_may_ask_and_read(open_server: Server, origin: str) -> None:
    asked = preflight(open_server, origin)
    assert asked.status_code == 204 and asked.content == b""
    assert cors(asked) == {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET, HEAD, POST",
        "access-control-allow-headers": "Content-Type, Idempotency-Key, Traceparent, X-API-Key, "
        "X-API-Version",
        "access-control-max-age": "600",
        "access-control-expose-headers": "Retry-After, X-Picture-Condition, X-Request-Id",
    }
    assert len(asked.headers["X-Request-Id"]) == 32
    key = open_server.new_key()
    context = open_server.new_context(key)
    for answer in (
        open_server.create_context(key, Origin=origin),
        open_server.process(key, context, picture(), Origin=origin),
        open_server.create_context("wrong", Origin=origin),
    ):
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", FOREIGN)
def test_another_origin_gets_nothing(open_server: Server, origin: str) -> None:
    asked = preflight(open_server, origin)
    assert (asked.status_code, asked.json()["ErrorType"]) == (405, "OE_BAD_ARGS")
    assert cors(asked) == {}
    answer = open_server.create_context(open_server.new_key(), Origin=origin)
    assert answer.status_code == 200, "the browser, not the server, keeps the answer from the page"
    assert cors(answer) == {}


def test_two_origins_are_none(open_server: Server) -> None:
    headers = [("Origin", LISTED), ("Origin", "https://evil.example")]
    assert cors(open_server.http.post(f"{BASE}/createcontext", headers=headers)) == {}


def test_credentials_are_never_allowed_and_the_console_takes_no_part(open_server: Server) -> None:
    for path in ("/console/sign-in", "/console/live", "/", "/metrics", "/livez"):
        assert cors(preflight(open_server, LISTED, path)) == {}
        assert cors(open_server.http.get(path, headers={"Origin": LISTED})) == {}
    assert "access-control-allow-credentials" not in preflight(open_server, LISTED).headers


def test_overload_and_a_crash_can_be_read_too(open_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that could not read them would take the service for unreachable."""
    key = open_server.new_key()
    context = open_server.new_context(key)
    admission = open_server.services.admission
    monkeypatch.setattr(admission, "under_way", 10_000)
    busy = open_server.process(key, context, Origin=LISTED)
    assert (busy.status_code, busy.headers["access-control-allow-origin"]) == (503, LISTED)

    def crash(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(type(open_server.services.ids), "new", crash)
    crashed = open_server.create_context(key, Origin=LISTED)
    assert (crashed.status_code, crashed.headers["access-control-allow-origin"]) == (500, LISTED)


def test_it_is_off_unless_asked_for(server: Server) -> None:
    assert preflight(server, LISTED).status_code == 405
    answer = server.create_context(server.new_key(), Origin=LISTED)
    assert cors(answer) == {} and "vary" not in answer.headers


@pytest.mark.parametrize(
    "wrong",
    [
        "*",
        "https://*.example.org",
        "app.example.org",
        "https://a.example/",
        "https://a.example:443",
        "null",
        "https://A.example",
        "ftp://a.example",
        "https://u@a.example",
        "https://",
        "https://a.example/x",
    ],
)
def test_what_no_browser_would_send_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ConfigError, match="cors_origins"):
        load(cors_origins=f"https://good.example, {wrong}")


def test_origins_are_taken_as_written() -> None:
    assert load(cors_origins="https://a.example:8443,http://[::1]:3000").origins == {
        "https://a.example:8443",
        "http://[::1]:3000",
    }
