"""Every refusal of the server in the wire's one form."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from layerwatch.api.errors import ApiError, bad_args, internal, translate
from layerwatch.billing import UsageRefused
from layerwatch.contexts import ContextError
from layerwatch.keys import CallerRefused
from layerwatch.learning import FeedbackLimitReached
from layerwatch.pacing import Throttled
from layerwatch.storage import StorageUnavailable
from layerwatch.telemetry.metrics import Metrics
from layerwatch.vision.errors import VisionError

REFUSALS: tuple[type[Exception], ...] = (
    *(ApiError, CallerRefused, UsageRefused, ContextError),
    *(Throttled, VisionError, StorageUnavailable, FeedbackLimitReached),
)
"""What routes raise to say no."""


def install_error_handlers(app: Starlette, metrics: Metrics) -> None:
    """Answer what routes raise, and unknown paths and methods, with the error object of the wire."""

    async def refuse(request: Request, error: Exception) -> JSONResponse:
        refusal = translate(error)
        metrics.refused(refusal.type)
        request.state.crashed = refusal.crash
        request.state.log = {**getattr(request.state, "log", {}), "error": refusal.type.value}
        if isinstance(error, ContextError):
            request.state.log["why"] = str(error)
        return refusal.response()

    async def no_such(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 404:
            refusal = bad_args("Not found. See /docs.", 404)
        elif error.status_code == 405:
            allowed = _allowed(headers.pop("Allow", ""))
            headers["Allow"] = allowed
            refusal = bad_args(f"This path takes {allowed}, not {request.method}.", 405)
        elif error.status_code < 500:
            refusal = bad_args(str(error.detail), error.status_code)
        else:
            refusal = internal()
        refusal.headers |= headers
        return await refuse(request, refusal)

    for kind in REFUSALS:
        app.add_exception_handler(kind, refuse)
    app.add_exception_handler(HTTPException, no_such)


def _allowed(methods: str) -> str:
    """A route's methods for the header Allow, sorted; where GET works HEAD does."""
    named = {method.strip() for method in methods.split(",") if method.strip()}
    return ", ".join(sorted(named | ({"HEAD"} if "GET" in named else set())))
