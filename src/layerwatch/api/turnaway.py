"""The short way to refuse: a Process call that comes in overload, answered from its head alone.

At three times what a node can do, two of three calls are refused. By the long way (a task, the middlewares,
the router) a refusal costs a tenth of an inspection, and what is left for inspections shrinks with the flood.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus

import structlog

from layerwatch.api import arguments
from layerwatch.api.errors import ApiError, throttled
from layerwatch.contexts import ContextLost
from layerwatch.parts import Parts

log = structlog.get_logger(__name__)

Headers = Sequence[tuple[bytes, bytes]]

_PROCESS = b"/api/gadget/v1/process/"
ROUTE = _PROCESS.decode() + "{context_id}"

_CHECKED: dict[bytes, Callable[[str], object]] = {
    b"x-api-version": lambda text: arguments.dialect(text, 1),
    b"idempotency-key": arguments.idempotency_key,
}


class Turnaway:
    """Refuses what `process` would refuse as its first thing. Says nothing to all else, good or bad."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def refusal(
        self, method: bytes, target: bytes, headers: Headers, address: str | None, *, last: bool
    ) -> bytes | None:
        """The whole HTTP answer to a request with this head, or None if it should go the long way.

        headers: names in lower case.  address: of the caller.  last: whether the connection then closes.
        """
        if method != b"POST" or not target.startswith(_PROCESS) or b"?" in target:
            return None
        began = time.perf_counter()
        parts, given = self._parts, dict(headers)
        if b"x-forwarded-for" in given:  # who calls is not known from the connection
            address = None
        at = parts.clock.now()
        caller = parts.keyring.cached(given.get(b"x-api-key", b"").decode("latin-1"), at, address)
        if caller is None or parts.admission.has_room(caller.account_id):
            return None
        try:  # what is wrong with the request goes before our being busy, and is said the long way
            parts.ids.read(target[len(_PROCESS) :].decode("latin-1"), caller.account_id, at)
            for name, read in _CHECKED.items():
                if name in given:
                    read(given[name].decode("latin-1"))
        except (ApiError, ContextLost):
            return None
        error = throttled(come_again(parts, at))
        request_id = uuid.uuid4().hex
        parts.metrics.refused(error.type)
        passed = time.perf_counter() - began
        parts.metrics.answered(ROUTE, error.status, passed)
        if parts.diary is not None:
            parts.diary.called(error.status, passed, crashed=False)
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
        return _written(error, request_id, last=last)


def come_again(parts: Parts, at: datetime) -> int:
    """Retry-After, seconds, for a live print that was refused: overload is shed by intervals."""
    plan = parts.pacer.plan(False, at)
    parts.pacer.called(plan, False, at)
    return plan.recommended


def _written(error: ApiError, request_id: str, *, last: bool) -> bytes:
    body = json.dumps(
        {"ErrorType": error.type.value, "ErrorDetails": error.details}, separators=(",", ":")
    ).encode()
    more = "".join(f"{name.lower()}: {value}\r\n" for name, value in error.headers.items())
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        f"{more}x-request-id: {request_id}\r\n"
        f"{'connection: close' if last else 'connection: keep-alive'}\r\n\r\n"
    )
    return head.encode("latin-1") + body
