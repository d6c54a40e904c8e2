"""What is wrong is said before anything is sent; the key is never shown."""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback
from typing import Any, Callable, Dict

import httpx
import pytest

from layerwatch_sdk import Client, Context, LayerwatchError, NotJpeg, PictureTooLarge
from layerwatch_sdk.testing import JPEG, KEY, FakeService


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": ""},
        {"api_key": "two words"},
        {"api_key": "prod_ключ"},
        {"api_key": KEY, "base_url": "layerwatch.example"},
        {"api_key": KEY, "base_url": "ftp://layerwatch.example"},
        {"api_key": KEY, "base_url": "http://"},
        {"api_key": KEY, "base_url": "http://me:word@host"},
        {"api_key": KEY, "base_url": "http://host/?x=1"},
        {"api_key": KEY, "api_version": 3},
        {"api_key": KEY, "api_version": True},
    ],
    ids=str,
)
def test_wrong_settings_are_refused(settings: Dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Client(**settings)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERWATCH_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("LAYERWATCH_URL", "http://printers.test:8080/")
    with Client() as client:
        assert client.settings.base_url == "http://printers.test:8080"
        assert client.settings.key.reveal() == KEY


@pytest.mark.parametrize("level", [0, 6, True, 3.5, "3", None])
@pytest.mark.parametrize("which", ["warning_level", "pause_level"])
def test_levels_are_integers_from_1_to_5(client: Client, wire: Any, which: str, level: Any) -> None:
    with pytest.raises(ValueError, match=which):
        client.create_context(**{which: level})
    assert wire.requests == []


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n", "a PNG"),
        (b"<html>404</html>", "error page"),
        (b"--frame\r\n", "boundary"),
        (b"\xff\xd8", "not a JPEG"),
    ],
)
def test_what_is_no_jpeg_is_not_sent(
    client: Client, context: Context, wire: Any, picture: bytes, words: str
) -> None:
    with pytest.raises(NotJpeg, match=words):
        client.process(context, picture)
    assert wire.requests == []


def test_what_is_too_large_is_not_sent(client: Client, context: Context, wire: Any) -> None:
    largest = b"\xff\xd8\xff" + bytes(6_291_456 - 5) + b"\xff\xd9"
    client.process(context, largest)
    with pytest.raises(PictureTooLarge, match="6,291,457 bytes"):
        client.process(context, largest + b"\0")
    assert len(wire.requests) == 1


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_picture_may_be_any_kind_of_bytes(
    client: Client, context: Context, kind: Callable[..., Any]
) -> None:
    assert client.process(context, kind(JPEG)).score == 5


def test_a_picture_is_not_a_path(client: Client, context: Context) -> None:
    with pytest.raises(TypeError, match="not str"):
        client.process(context, "frame.jpg")  # type: ignore[arg-type]


def test_the_key_is_in_no_repr_and_no_log_line(
    client: Client, context: Context, wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="layerwatch_sdk")
    wire.script = [httpx.ReadTimeout("lost"), httpx.Response(502)]
    client.process(context, JPEG)
    shown = [repr(client), repr(client.settings), str(client.settings.__dict__), repr(context), caplog.text]
    assert "trying again" in caplog.text
    assert all(KEY not in text for text in shown)


def test_the_key_is_in_no_traceback_with_locals(client: Client, context: Context, wire: Any) -> None:
    wire.script = [httpx.ConnectError("refused")] * 4
    with pytest.raises(LayerwatchError) as caught:
        client.process(context, JPEG)
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [
        line
        for frame in trace.stack
        if "layerwatch_sdk" in frame.filename
        for line in (frame.locals or {}).values()
    ]
    assert ours
    assert all(KEY not in line for line in ours)


@pytest.mark.parametrize("status", [200, 400, 401, 502])
def test_a_key_that_a_proxy_echoes_is_cut_out(
    client: Client, context: Context, wire: Any, status: int
) -> None:
    echo = {"x-api-key": KEY, "ErrorType": f"OE_{KEY}", "ErrorDetails": f"You sent {KEY}"}
    for response in (
        httpx.Response(status, json=echo, headers={"x-request-id": KEY}),
        httpx.Response(status, text=f"x-api-key: {KEY}"),
    ):
        wire.script = [response] * 4
        with pytest.raises(LayerwatchError) as caught:
            client.process(context, JPEG)
        assert KEY not in repr(caught.value.__dict__) + str(caught.value)


def test_importing_loads_neither_httpx_nor_asyncio() -> None:
    # What makes it quick on a small computer; the figure itself is in docs/sdk.md.
    code = "import sys, layerwatch_sdk; print(sorted({'httpx', 'asyncio', 'ssl'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_real_server_is_spoken_to(service: FakeService) -> None:
    with service.serve() as url, Client(KEY, url) as client:
        inspection = client.process(client.create_context(), JPEG, detail=True, camera="top")
    assert inspection.detail is not None
    assert inspection.request_id == "req-1"
