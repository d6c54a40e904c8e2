"""HEAD on every route that has GET: the same status and headers, without the body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadMiddleware:
    """ASGI middleware: the routes behind it see a GET, the client gets its answer without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy, because the server reads the method from the original; `state` is shared with it.
        scope.setdefault("state", {})
        as_get = {**scope, "method": "GET"}

        async def send_without_body(message: Message) -> None:
            # The answer ends with its head, which also ends a stream of events: its client is gone.
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})

        try:
            await self._app(as_get, receive, send_without_body)
        finally:
            if "route" in as_get:  # for the request log
                scope["route"] = as_get["route"]
