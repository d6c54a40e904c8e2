"""A request's body has limits in time, on whatever route it is read."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from layerwatch.api.body_deadline import BodyDeadline
from layerwatch.telemetry.metrics import Metrics

BODY = b"x" * 1000


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """A route that answers with its request's body."""
    await Response(await Request(scope, receive).body())(scope, receive, send)


async def call(receive: Receive, *, silence: float, whole: float, route: ASGIApp = echo) -> list[Message]:
    """What is sent by a route behind the middleware."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await BodyDeadline(route, silence, whole, Metrics())({"type": "http"}, receive, send)
    return sent


def assert_refused(sent: list[Message]) -> None:
    start, body = sent
    assert (start["status"], json.loads(body["body"])["ErrorType"]) == (400, "OE_BAD_ARGS")
    assert (b"connection", b"close") in start["headers"]


def from_client(pieces: AsyncIterator[bytes]) -> Callable[[], Awaitable[Message]]:
    """A server's receive function for a body that comes in pieces."""

    async def receive() -> Message:
        async for piece in pieces:
            return {"type": "http.request", "body": piece, "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive


def test_silence_ends_a_body() -> None:
    async def stops() -> AsyncIterator[bytes]:
        yield BODY
        await asyncio.sleep(60)

    assert_refused(asyncio.run(call(from_client(stops()), silence=0.05, whole=10)))


def test_a_body_that_drips_without_end_ends_too() -> None:
    async def drips() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    assert_refused(asyncio.run(call(from_client(drips()), silence=5, whole=0.1)))


def test_a_body_that_is_never_short_of_bytes_ends_too() -> None:
    async def floods() -> AsyncIterator[bytes]:
        while True:
            yield b"x"

    assert_refused(asyncio.run(call(from_client(floods()), silence=5, whole=0.1)))


def test_an_event_loop_that_was_held_up_is_no_silence_of_the_client() -> None:
    near, far = socket.socketpair()

    async def uploaded() -> bytes:
        reader, writer = await asyncio.open_connection(sock=near)
        far.sendall(BODY[:50])

        async def pieces() -> AsyncIterator[bytes]:
            while piece := await reader.read(4096):
                yield piece

        def hold_up() -> None:
            far.sendall(BODY[50:])
            far.close()
            time.sleep(0.4)  # nothing runs meanwhile, and both the limit and the data are due after it

        asyncio.get_running_loop().call_later(0.02, hold_up)
        try:
            _, body = await call(from_client(pieces()), silence=0.2, whole=10)
            return bytes(body["body"])
        finally:
            writer.close()

    assert asyncio.run(uploaded()) == BODY


def test_waiting_for_the_client_to_leave_has_no_limit() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await receive()

    body, read = from_client(nothing()), asyncio.Event()

    async def receive() -> Message:
        if read.is_set():
            await asyncio.Event().wait()
        read.set()
        return await body()

    assert asyncio.run(call(receive, silence=0.05, whole=0.05, route=route)) == []


@pytest.mark.parametrize(("status", "read_first"), [(200, True), (401, False)])
def test_a_success_waits_for_the_end_of_the_body_and_a_refusal_does_not(
    status: int, read_first: bool
) -> None:
    """A proxy that streams uploads loses an answer that overtakes one."""
    events: list[str] = []

    async def upload() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield BODY
        events.append("body read")

    async def answers_from_the_head(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"{}", status)(scope, receive, send)
        events.append("answered")

    sent = asyncio.run(call(from_client(upload()), silence=5, whole=5, route=answers_from_the_head))
    assert sent[0]["status"] == status
    assert events == (["body read", "answered"] if read_first else ["answered"])


def test_a_success_is_not_sent_to_a_client_that_stops_in_the_middle_of_its_body() -> None:
    async def stops() -> AsyncIterator[bytes]:
        yield BODY
        await asyncio.sleep(60)

    async def answers_from_the_head(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"{}")(scope, receive, send)

    sent = asyncio.run(call(from_client(stops()), silence=0.05, whole=5, route=answers_from_the_head))
    assert_refused(sent)
