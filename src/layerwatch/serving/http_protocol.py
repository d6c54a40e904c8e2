"""HTTP connections that neither wait for ever nor take in a head without end.

Uvicorn closes connections that idle between requests, but has no limit on a request that never comes,
comes byte by byte, or goes on after it was answered, and none on the size of its head. Each such connection
holds a socket and some memory; thousands of them are an attack (slowloris).
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from layerwatch.api.errors import ErrorType
from layerwatch.api.load_shedding import LoadShedder

HEAD_SECONDS = 30.0
"""A connection must have sent a whole request head within this, from when it was opened or its last request
was answered. A slow uplink needs under a second."""

HEAD_BYTES = 64 * 1024
"""Request line and headers. A client's are under 1 KB; a browser's cookies may take a few."""

AFTER_ANSWER_SECONDS = 60.0
"""What is left of an upload that was refused early is read past, so that the client gets to see its answer,
for so long and no longer."""


class _Refused:
    """Stands where Uvicorn keeps the request under way, for one that was answered from its head."""

    response_complete = True
    disconnected = False
    message_event = asyncio.Event()

    def __init__(self, last: bool) -> None:
        self.last = last


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol with limits on what it takes in outside of the application.

    While the application has a request, the application's own limits hold (`upload_silence`).
    turnaway: asked for an answer to each request before the application is.
    """

    _limit: asyncio.TimerHandle | None = None
    _in_head = True
    _ended = False
    _head_bytes = 0

    def __init__(self, *args: Any, turnaway: LoadShedder | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turnaway = turnaway

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._allow(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._allow(None)
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn says None; asyncio asks for this
        """A client that closed its half after a whole request (`nc -N`, some embedded stacks) still gets the
        answer. One that did so before can never finish: it is dropped, and what it began is not billed."""
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        self._ended = False
        super().data_received(data)
        if not self._in_head or self._ended:  # these bytes were not all of one head
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The request's head is too large.")

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self._allow(None)
        if not self._refused():
            super().on_headers_complete()

    def _refused(self) -> bool:
        """Whether the request was answered here. What follows of it is read past."""
        busy = self.cycle is not None and not self.cycle.response_complete  # an earlier one has no answer yet
        if self._turnaway is None or busy or self.parser.should_upgrade():
            return False
        last = self.parser.get_http_version() == "1.0" or not self.parser.should_keep_alive()
        address = self.client[0] if self.client else None
        refusal = self._turnaway.refusal(self.parser.get_method(), self.url, self.headers, address)
        if refusal is None:
            return False
        self.cycle = _Refused(last)  # type: ignore[assignment]
        self.transport.write(refusal.as_http(last=last))
        self.on_response_complete()
        return True

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = self._ended = True
        if isinstance(self.cycle, _Refused) and self.cycle.last:
            self.transport.close()
            return
        if self.cycle is None or self.cycle.response_complete:
            self._allow(HEAD_SECONDS)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self._allow(HEAD_SECONDS if self._in_head else AFTER_ANSWER_SECONDS)

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP gets the wire's error object, too."""
        details = f"{msg.rstrip('.')}. Send HTTP/1.1 as described at /docs."
        body = json.dumps({"ErrorType": ErrorType.BAD_ARGS, "ErrorDetails": details}).encode()
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            f"x-request-id: {uuid.uuid4().hex}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def _allow(self, seconds: float | None) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if seconds is not None:
            self._limit = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
