"""Request headers that have one value. Given twice, no two programs agree on which one counts."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from layerwatch.api.errors import bad_args

SINGLE_HEADERS = frozenset(
    (
        *(b"authorization", b"content-length", b"content-type", b"cookie", b"expect", b"host"),
        *(b"idempotency-key", b"origin", b"sec-fetch-site", b"stripe-signature", b"traceparent"),
        *(b"transfer-encoding", b"upgrade", b"x-api-key", b"x-api-version"),
    )
)
"""In lower case: what frames a request, and what the application reads as one value."""


def repeated_header(names: Iterable[bytes]) -> str:
    """The first of these header names, in lower case, that must be single and is not; else empty."""
    seen = set()
    for name in names:
        if name in SINGLE_HEADERS:
            if name in seen:
                return name.decode("ascii")
            seen.add(name)
    return ""


class SingleHeaders:
    """ASGI middleware that refuses repeated headers, for servers whose HTTP protocol is not ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            repeated = repeated_header(name for name, _ in scope["headers"])
            if repeated:
                refusal = bad_args(f"The header {repeated} is given more than once.", Connection="close")
                await refusal.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)
