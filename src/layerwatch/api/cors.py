"""Cross-origin calls from browsers, for the origins that the operator lists (`cors_origins`); off by default.

Only for the API's paths, never for the console. Credentials (cookies) are never allowed: the API key is
the only proof. Origins must match exactly; wildcards are not supported. The answer to a preflight is fixed
and repeats nothing from the request.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = "/api/"
METHODS = "GET, HEAD, POST"
REQUEST_HEADERS = "Content-Type, Idempotency-Key, Traceparent, X-API-Key, X-API-Version"
EXPOSED_HEADERS = "Retry-After, X-Picture-Condition, X-Request-Id"
PREFLIGHT_MAX_AGE_S = 600
"""How long a browser may remember the answer to a preflight."""


class CorsHeaders:
    """ASGI middleware, the outermost: every answer to a listed origin may be read by it, refusals too.

    origins: exactly as browsers send them, `https://app.example.org`.
    """

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _concerned(scope):
            await self._app(scope, receive, send)
            return
        more = [(b"vary", b"Origin")]
        origin = _origin(scope)
        if origin in self._origins:
            more += [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", EXPOSED_HEADERS.encode()),
            ]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Preflight:
    """ASGI middleware that answers the preflights of listed origins; all others get the usual 405."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _concerned(scope) and _is_preflight(scope) and _origin(scope) in self._origins:
            headers = {
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": REQUEST_HEADERS,
                "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE_S),
            }
            await Response(status_code=204, headers=headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _concerned(scope: Scope) -> bool:
    return bool(scope["type"] == "http" and scope["path"].startswith(PATHS))


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and any(
        name == b"access-control-request-method" for name, _ in scope["headers"]
    )


def _origin(scope: Scope) -> str:
    """The request's one Origin; empty where there is none, or more than one."""
    given = [value for name, value in scope["headers"] if name == b"origin"]
    return given[0].decode("latin-1") if len(given) == 1 else ""
