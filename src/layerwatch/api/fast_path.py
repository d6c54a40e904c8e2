"""The straight way to a Process call: what a node does all day does not go through the router.

Routing, the stacks for dependencies and what else a framework does for any route took as long as the call's
own work in the event loop. Everything but a well-formed path of this one call goes the usual way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from layerwatch.api.load_shedding import ROUTE
from layerwatch.api.routes import process

PREFIX = ROUTE.removesuffix("{context_id}")

Refuse = Callable[[Request, Exception], Awaitable[Response]]


class FastPath:
    """ASGI middleware, the last one before the application. refuse: answers for the errors of `kinds`."""

    def __init__(self, app: ASGIApp, refuse: Refuse, kinds: tuple[type[Exception], ...]) -> None:
        self._app = app
        self._refuse = refuse
        self._kinds = kinds
        self._route = Route(ROUTE, process, methods=["POST"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context_id = _context_id(scope)
        if not context_id:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        scope["path_params"] = {"context_id": context_id}
        request = Request(scope, receive, send)
        response: Response
        try:
            response = await process(request)
        except self._kinds as error:
            response = await self._refuse(request, error)
        await response(scope, receive, send)


def _context_id(scope: Scope) -> str:
    """The part of a Process call's path that names the context; empty for everything else."""
    if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(PREFIX):
        return ""
    named: str = scope["path"][len(PREFIX) :]
    return "" if "/" in named else named
