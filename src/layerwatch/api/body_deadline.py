"""Limits on the time that a request's body may take, and no success before it has come, for every route."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from layerwatch.api.errors import bad_args
from layerwatch.telemetry.metrics import Metrics

LAST_CHANCE_S = 0.05
"""Several iterations of the event loop. After a delay, timers and sockets are due at the same time and timers
run first: bytes already waiting in the socket still count."""


class BodyDeadline:
    """ASGI middleware: a body that is too slow is refused, and to the route it is a client that left.

    silence: seconds without a byte.  whole: seconds for the whole body.
    """

    def __init__(self, app: ASGIApp, silence: float, whole: float, metrics: Metrics) -> None:
        self._app = app
        self._silence = silence
        self._whole = whole
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _TimedBody(receive, send, self._silence, self._whole)
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:
            if not body.late:
                raise
        if body.late and not body.answered:
            refusal = bad_args("The body stopped or took too long.", Connection="close")
            self._metrics.refused(refusal.type)
            await refusal.response()(scope, receive, send)


class _TimedBody:
    """late: the body was given up.  answered: the route had begun its answer by then."""

    def __init__(self, receive: Receive, send: Send, silence: float, whole: float) -> None:
        self.late = False
        self.answered = False
        self._receive = receive
        self._send = send
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self._latest = self._loop.time() + whole
        self._more = True

    async def receive(self) -> Message:
        if self.late:
            return {"type": "http.disconnect"}
        if not self._more:  # what comes after the body is that the client has left, whenever that is
            return await self._receive()
        try:
            message = await self._next()
        except TimeoutError:
            self.late = True
            return {"type": "http.disconnect"}
        self._more = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        # A repeat is answered from its head. Proxies that stream uploads (Caddy 2.6) lose an answer that
        # comes before the upload's end; a refusal may come at once, so that the client can stop sending.
        if message["type"] == "http.response.start" and message["status"] < 300:
            while self._more and not self.late:
                await self.receive()
        if not self.late or self.answered:
            self.answered = True
            await self._send(message)

    async def _next(self) -> Message:
        loop = self._loop
        until = min(self._latest, loop.time() + self._silence)
        async with asyncio.timeout(None) as limit:
            timer = loop.call_at(until, lambda: limit.reschedule(loop.time() + LAST_CHANCE_S))
            try:
                message = await self._receive()
            finally:
                timer.cancel()
        if loop.time() > self._latest + LAST_CHANCE_S:
            raise TimeoutError
        return message
