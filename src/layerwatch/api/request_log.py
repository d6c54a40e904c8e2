"""Around every request: an id, an answer whatever happens, a line in the log, and numbers for the metrics."""

from __future__ import annotations

import time
import uuid

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from layerwatch.api.errors import ErrorType, internal
from layerwatch.core.clock import Clock
from layerwatch.keys import Caller
from layerwatch.keys.request_recorder import RecordedCall, RequestRecorder
from layerwatch.status.uptime_recorder import UptimeRecorder
from layerwatch.telemetry import tracing
from layerwatch.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

NOT_TRACED = {"/livez", "/readyz", "/metrics"}
"""What machines ask every few seconds."""

DETECTION = "/api/"
"""Path prefixes of the routes that the status page counts."""


class RequestLogMiddleware:
    """ASGI middleware. It stands outermost, so that nothing leaves without an X-Request-Id."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        recorder: RequestRecorder,
        clock: Clock,
        uptime: UptimeRecorder | None = None,
    ) -> None:
        self._app = app
        self._recorder = recorder
        self._clock = clock
        self._metrics = metrics
        self._uptime = uptime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        if not tracing.on() or scope["path"] in NOT_TRACED:
            await self._answer(scope, receive, send, request_id, tracing.TracedRequest(None))
            return
        with tracing.request(scope["headers"], request_id) as traced:
            await self._answer(scope, receive, send, request_id, traced)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, traced: tracing.TracedRequest
    ) -> None:
        began = time.perf_counter()
        status = 0
        crashed = False

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request_id)
        if traced.id is not None:
            structlog.contextvars.bind_contextvars(trace=traced.id)
        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            log.info("client_left", path=_route(scope))
            self._metrics.answered(_route(scope), 499, time.perf_counter() - began)
            traced.answered(scope["method"], _route(scope), 499)
            return
        except Exception:
            crashed = True
            log.exception("crash", path=_route(scope))
            if status == 0:
                await internal().response()(scope, receive, send_with_id)
        passed = time.perf_counter() - began
        self._metrics.answered(_route(scope), status, passed)
        traced.answered(scope["method"], _route(scope), status)
        state = scope.get("state", {})
        if self._uptime is not None and _route(scope).startswith(DETECTION):
            self._uptime.called(status, passed, crashed=crashed or state.get("crashed", False))
        self._record(scope, request_id, status, passed)
        log.info(
            "request",
            method=scope["method"],
            path=_route(scope),
            status=status,
            ms=round(passed * 1000, 1),
            **state.get("log", {}),
        )

    def _record(self, scope: Scope, request_id: str, status: int, passed: float) -> None:
        """Note the call for the owner of its key, if it was made with a good one."""
        state = scope.get("state", {})
        caller: Caller | None = state.get("caller")
        if caller is None:
            return
        error = state["log"].get("error") or (ErrorType.INTERNAL.value if status >= 500 else None)
        self._recorder.record(
            RecordedCall(
                key_id=caller.key_id,
                at=self._clock.now(),
                call=_route(scope).removeprefix(f"{DETECTION}gadget/v1/").partition("/")[0],
                status=status,
                error=error,
                request_id=request_id,
                ms=1000 * passed,
                condition=state.get("condition"),
            )
        )


def _route(scope: Scope) -> str:
    """The route's template: never the path itself, which holds context ids and whatever else is sent."""
    route = scope.get("route")
    return getattr(route, "path", "unknown")
