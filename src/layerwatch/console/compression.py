"""Compressing text, where the length of an answer gives nothing away.

Over TLS the length of a compressed answer can betray a secret in it to somebody who puts guesses into the
same answer (BREACH). So an answer is compressed only if its request could put nothing into it: a GET without
a query, or a static file. Besides, forms' tokens differ with every page. Streams and pictures are never
compressed.
"""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

MIN_BYTES = 1000
LEVEL = 5
"""Of zlib, 1 to 9; a page of 60 KB takes 1 to 2 ms."""

STATIC = "/console/static/"


class CompressText:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressed = GZipMiddleware(app, minimum_size=MIN_BYTES, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._compressed if scope["type"] == "http" and may_compress(scope) else self._app
        await app(scope, receive, send)


def may_compress(scope: Scope) -> bool:
    """Whether the answer to a request can be compressed: nothing of the request comes back in it."""
    if scope["method"] not in ("GET", "HEAD"):
        return False
    return not scope["query_string"] or scope["path"].startswith(STATIC)
