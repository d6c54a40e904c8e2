"""The short way to refuse: a Process call that comes in overload, answered from its head alone.

At three times what a node can do, two of three calls are refused. By the long way (a task, the middlewares,
the router) a refusal costs a tenth of an inspection, and what is left for inspections shrinks with the flood.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from layerwatch.api import process_gate
from layerwatch.api.errors import ApiError, translate
from layerwatch.contexts import ContextLost
from layerwatch.keys.request_recorder import RecordedCall
from layerwatch.pacing import Throttled
from layerwatch.services import Services

log = structlog.get_logger(__name__)

Headers = Sequence[tuple[bytes, bytes]]

_PROCESS = b"/api/gadget/v1/process/"
ROUTE = _PROCESS.decode() + "{context_id}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that refuses. headers: names in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def as_http(self, *, last: bool) -> bytes:
        """As it goes over the wire. last: whether the connection then closes."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}".encode("latin-1")]
        lines += [b"%b: %b" % header for header in self.headers]
        lines.append(b"connection: close" if last else b"connection: keep-alive")
        return b"\r\n".join((*lines, b"", self.body))


class LoadShedder:
    """Refuses what `process` would refuse as its first thing. Says nothing to all else, good or bad."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def refusal(self, method: bytes, target: bytes, headers: Headers, address: str | None) -> Refusal | None:
        """The answer to a request with this head, or None if it should go the long way.

        headers: names in lower case.  address: of the caller.
        """
        if method != b"POST" or not target.startswith(_PROCESS) or b"?" in target:
            return None
        began = time.perf_counter()
        services = self._services
        given = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        if "origin" in given and given["origin"] in services.settings.origins:
            return None  # a browser needs the answer's CORS headers, which the long way adds
        if "x-forwarded-for" in given:  # who calls is not known from the connection
            address = None
        at = services.clock.now()
        caller = services.authenticator.cached(given.get("x-api-key", ""), at, address)
        if caller is None:
            return None
        context_id = target[len(_PROCESS) :].decode("latin-1")
        try:
            process_gate.admit(services, caller, context_id, given.get, None, at)
        except Throttled as busy:
            error = translate(busy, process_gate.retry_after(services, at))
        except (ApiError, ContextLost):
            return None  # the route answers what is wrong with a call
        else:
            return None
        request_id = uuid.uuid4().hex
        services.metrics.refused(error.type)
        passed = time.perf_counter() - began
        services.metrics.answered(ROUTE, error.status, passed)
        services.requests.record(
            RecordedCall(
                caller.key_id, at, "process", error.status, error.type.value, request_id, 1000 * passed, None
            )
        )
        if services.uptime is not None:
            services.uptime.called(error.status, passed, crashed=False)
        log.info(
            "request",
            request=request_id,
            method="POST",
            path=ROUTE,
            status=error.status,
            ms=round(passed * 1000, 1),
            key=caller.prefix,
            account=caller.account_id,
        )
        return _refusal(error, request_id)


class Door:
    """ASGI middleware that asks a `LoadShedder` first, for servers whose HTTP protocol is not ours."""

    def __init__(self, app: ASGIApp, shedder: LoadShedder) -> None:
        self._app = app
        self._shedder = shedder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": refusal.status, "headers": refusal.headers})
        await send({"type": "http.response.body", "body": refusal.body})

    def _refusal(self, scope: Scope) -> Refusal | None:
        if scope["query_string"]:
            return None
        address = scope["client"][0] if scope["client"] else None
        return self._shedder.refusal(
            scope["method"].encode(), scope["path"].encode(), scope["headers"], address
        )


def _refusal(error: ApiError, request_id: str) -> Refusal:
    body = json.dumps(
        {"ErrorType": error.type.value, "ErrorDetails": error.details}, separators=(",", ":")
    ).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **{name.lower(): value for name, value in error.headers.items()},
        "x-request-id": request_id,
    }
    return Refusal(
        error.status,
        [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        body,
    )
