"""Messengers through Apprise: the picture goes along where it may, and nothing is sent twice."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from watcher.tests.stand_ins.events import PICTURE, event
from watcher.tests.stand_ins.serve import serving

from layerwatch_watcher.notifications import DeliveryError
from layerwatch_watcher.notifications.apprise import AppriseChannel
from layerwatch_watcher.notifications.dispatch import deliver


async def test_apprise_gets_title_text_and_picture() -> None:
    got: list[dict[str, Any]] = []

    async def take(request: Request) -> Response:
        got.append(await request.json())
        return PlainTextResponse("ok")

    async with serving(Starlette(routes=[Route("/", take, methods=["POST"])])) as url:
        channel = AppriseChannel(url.replace("http://", "json://") + "/")
        await channel.send(event(text="quality 1"))
    assert got[0]["title"] == "mk4 was paused"
    assert got[0]["message"] == "quality 1"
    assert base64.b64decode(got[0]["attachments"][0]["base64"]) == PICTURE


async def test_apprise_that_is_not_taken_is_tried_again() -> None:
    with pytest.raises(DeliveryError):
        await AppriseChannel("json://127.0.0.1:9/").send(event())


async def test_ntfy_without_attachments_gets_the_text_alone() -> None:
    got: list[tuple[str, str]] = []

    async def take(request: Request) -> Response:
        body = await request.body()
        if body.startswith(b"\xff\xd8"):
            return JSONResponse({"code": 40014, "http": 400, "error": "attachments not allowed"}, 400)
        got.append((request.url.path, body.decode()))
        return JSONResponse({"id": "x"})

    routes = [Route("/{path:path}", take, methods=["POST", "PUT"])]
    async with serving(Starlette(routes=routes)) as url:
        channel = AppriseChannel(f"{url.replace('http://', 'ntfy://')}/prints")
        assert await deliver(channel, event(text="Quality 1 of 10, probably spaghetti.")) is False
    assert len(got) == 1 and "probably spaghetti" in got[0][1]


async def test_text_that_was_taken_before_the_file_was_refused_is_not_sent_again() -> None:
    got: list[str] = []

    async def take(request: Request) -> Response:
        if "multipart" in request.headers.get("content-type", ""):
            return JSONResponse({"message": "Request entity too large", "code": 40005}, 413)
        got.append((await request.body()).decode())
        return Response(status_code=204)

    routes = [Route("/{path:path}", take, methods=["POST"])]
    async with serving(Starlette(routes=routes)) as url:
        channel = AppriseChannel("discord://1234567890/abcdefghijklmnop")
        with sent_to(url, "discord.com"):
            assert await deliver(channel, event(text='Quality 1 of 10: "spaghetti" — see it.')) is False
    assert len(got) == 1 and "Quality 1 of 10" in got[0]


async def test_a_login_that_succeeds_is_no_message_that_was_taken() -> None:
    sent: list[str] = []

    async def take(request: Request) -> Response:
        sent.append(request.url.path)
        if request.url.path == "/_matrix/client/v3/login":
            return JSONResponse({"access_token": "t", "home_server": "h", "user_id": "@a:h"})
        return JSONResponse({"errcode": "M_FORBIDDEN"}, 403)

    routes = [Route("/{path:path}", take, methods=["GET", "POST", "PUT"])]
    async with serving(Starlette(routes=routes)) as url:
        channel = AppriseChannel(url.replace("http://", "matrix://user:pass@") + "/#room")
        with pytest.raises(DeliveryError):
            await deliver(channel, event(text="Quality 1 of 10, probably spaghetti."))
    assert sent


@contextlib.contextmanager
def sent_to(url: str, host: str) -> Iterator[None]:
    """Requests to https://`host` go to the server at `url` instead."""
    original = requests.adapters.HTTPAdapter.send

    def send(self: Any, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        request.url = (request.url or "").replace(f"https://{host}", url)
        return original(self, request, **options)

    with mock.patch.object(requests.adapters.HTTPAdapter, "send", send):
        yield
