"""HTTP connections: strict framing, and no wait for a client without a limit.

Uvicorn's protocol makes scopes, runs the application and writes its answers. What a client sends goes through
`RequestFramer` first, one request at a time; every wait has a deadline; and `Connections` bounds how many
there are. The version of Uvicorn is pinned, as this relies on the inside of its class.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from layerwatch.api.errors import ApiError, bad_args, throttled
from layerwatch.api.load_shedding import LoadShedder
from layerwatch.serving.connections import MIN_BYTES_PER_S, Connections
from layerwatch.serving.request_framer import RequestFramer
from layerwatch.serving.request_head import FramingError

HEAD_SECONDS = 10.0
"""From the first byte of a request until its head is whole, and from a connection's start to that byte. A
slow uplink needs under a second."""

KEEP_ALIVE_SECONDS = 20.0
"""Between an answer and the next request. Longer than the 5 s of usual clients and the 15 s of the proxies as
configured in `deploy/proxy`: the side that closes first may lose a request that was just sent."""

ANSWER_SECONDS = 60.0
"""Beyond what a body may take: until the answer is made and the client has read it."""

AFTER_ANSWER_SECONDS = 60.0
"""What is left of an upload that was refused early is read past, so that the client gets to see its answer,
for so long and no longer."""

LINGER_SECONDS = 30.0
"""How long a connection that was closed waits for its client to take the rest of the answer."""

RETRY_AFTER_S = 5
"""What a client is asked to wait that found no room for its connection."""


class _Refused:
    """Takes the place of Uvicorn's request cycle for a request that was answered from its head."""

    response_started = True
    response_complete = True
    disconnected = False
    message_event = asyncio.Event()

    def __init__(self, last: bool) -> None:
        self.last = last


class _Flow(FlowControl):
    """Uvicorn's flow control, which does not read while requests that were sent ahead are kept: otherwise
    each answer lets in another read, and a client could fill the memory."""

    def __init__(self, transport: asyncio.Transport, framer: RequestFramer) -> None:
        super().__init__(transport)
        self._framer = framer

    def resume_reading(self) -> None:
        if not self._framer.ahead:
            super().resume_reading()


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol behind a strict framer.

    connections: counts this one.  shedder: asked for an answer to each request before the application is.
    body_seconds: what the application allows a body.  refused: called with each error that is sent from here.
    """

    def __init__(
        self,
        *args: Any,
        connections: Connections,
        shedder: LoadShedder,
        body_seconds: float,
        refused: Callable[[ApiError], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._framer = RequestFramer(self)
        self.parser = self._framer  # type: ignore[assignment]
        self._connections = connections
        self._shedder = shedder
        self._body_seconds = body_seconds
        self._on_refused = refused
        self._timer: asyncio.TimerHandle | None = None
        self._in_request = False
        self._deferred = False
        self._waiting_since = self.loop.time()
        self._received = 0

    # Connections.HeldConnection

    @property
    def address(self) -> str:
        """Of the client's end."""
        return self.client[0] if self.client else ""

    def lag(self, now: float) -> float | None:
        """Seconds by which the client is behind; None while a whole request is being answered."""
        if self._in_request and self._framer.complete:
            return None
        return now - self._waiting_since - self._received / MIN_BYTES_PER_S

    def drop(self) -> None:
        """Close it to make room."""
        if self.transport.is_closing():
            self.transport.abort()
        elif self._framer.begun:
            self._refuse(throttled(RETRY_AFTER_S))
        else:
            self._close()

    # asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = _Flow(transport, self._framer)
        self._within(HEAD_SECONDS, self._head_is_late)
        if not self._connections.add(self, self.loop.time()):
            self._refuse(throttled(RETRY_AFTER_S))

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self)
        self._cancel_timer()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn says None; asyncio asks for this
        """A client that closed its half after a whole request (`nc -N`, some embedded stacks) still gets the
        answer. One that did so before can never finish: it is dropped, and what it began is not billed."""
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._framer.complete:  # the next request came before the answer to this one
            self.flow.pause_reading()
        elif not self._framer.begun and not self._in_request:
            self._within(HEAD_SECONDS, self._head_is_late)
        self._received += len(data)
        self._frame(self._framer.feed_data, data)

    # What the framer calls

    def on_headers_complete(self) -> None:
        self._in_request = True
        if self._shed():
            return
        # Among thousands of clients that send a head and then nothing, that must not cost what a call costs.
        self._deferred = (
            self._connections.crowded and self._framer.has_body() and not self.expect_100_continue
        )
        if not self._deferred:
            self._start_application()

    def on_body(self, body: bytes) -> None:
        if self._deferred:
            self._start_application()
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._deferred:
            self._start_application()
        super().on_message_complete()
        if isinstance(self.cycle, _Refused) and self.cycle.last:
            self._close()
        elif self.cycle.response_complete:
            self._await_next_request()

    # What the request cycle calls

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            self._close()
        elif self._framer.complete:
            self._await_next_request()
        else:
            self._within(AFTER_ANSWER_SECONDS, self._close)

    def _start_application(self) -> None:
        self._deferred = False
        self._within(self._body_seconds + ANSWER_SECONDS, self._request_is_late)
        super().on_headers_complete()

    def _shed(self) -> bool:
        """Whether the request was answered here. What follows of it is read past."""
        address = self.client[0] if self.client else None
        refusal = self._shedder.refusal(self._framer.get_method(), self.url, self.headers, address)
        if refusal is None:
            return False
        last = not self._framer.should_keep_alive()
        self.cycle = _Refused(last)  # type: ignore[assignment]
        self.transport.write(refusal.as_http(last=last))
        self.on_response_complete()
        return True

    def _await_next_request(self) -> None:
        """Once both the request and its answer are complete: earlier, a refusal of what follows could
        overtake the answer."""
        self._in_request = False
        self._waiting_since, self._received = self.loop.time(), 0
        self._within(KEEP_ALIVE_SECONDS, self._close)
        self.loop.call_soon(self._next_request)

    def _next_request(self) -> None:
        if self.transport.is_closing():
            return
        self._frame(self._framer.next_request)
        if self.transport.is_closing():
            return
        if self._framer.begun and not self._in_request:
            self._within(HEAD_SECONDS, self._head_is_late)
        self.flow.resume_reading()

    def _frame(self, step: Callable[..., None], *arguments: bytes) -> None:
        try:
            step(*arguments)
        except FramingError as error:
            self._refuse(bad_args(f"{error}. Send HTTP/1.1 as described at /docs."))

    def _head_is_late(self) -> None:
        if self._framer.begun:
            self._refuse(bad_args("The request stopped or took too long."))
        else:
            self._close()

    def _request_is_late(self) -> None:
        if self._framer.complete:
            self.transport.abort()  # the client does not read its answer
        else:
            self._refuse(bad_args("The body stopped or took too long."))

    def _refuse(self, error: ApiError) -> None:
        """Answer with an error, unless an answer has begun, and close."""
        if not self._in_request or self._deferred or not self.cycle.response_started:
            self._on_refused(error)
            self.transport.write(_as_http(error))
        self._close()

    def _close(self) -> None:
        self.transport.close()
        self._within(LINGER_SECONDS, self.transport.abort)

    def _within(self, seconds: float, late: Callable[[], None]) -> None:
        """Call `late` after this time, unless another limit replaces this one."""
        self._cancel_timer()
        self._timer = self.loop.call_later(seconds, late)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _as_http(error: ApiError) -> bytes:
    """An error as the last answer of a connection."""
    body = json.dumps({"ErrorType": error.type.value, "ErrorDetails": error.details}).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **{name.lower(): value for name, value in error.headers.items()},
        "x-request-id": uuid.uuid4().hex,
        "connection": "close",
    }
    lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
