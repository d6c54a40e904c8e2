"""Where the payment provider sends its events. They prove themselves by their signature, not by a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from layerwatch.billing import BillingError
from layerwatch.services import Services
from layerwatch.storage import StorageUnavailable

MAX_BODY_BYTES = 512 * 1024


def payment_events(services: Services) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of `POST /console/payments/{provider}`."""

    async def take(request: Request) -> Response:
        if request.path_params["provider"] != services.payments.name:
            return JSONResponse({"error": "no such provider"}, 404)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY_BYTES:
                return JSONResponse({"error": "too large"}, 413)
        signature, now = request.headers.get("stripe-signature", ""), services.clock.now()
        try:
            await anyio.to_thread.run_sync(
                services.payments.take, services.database, body, signature, services.terms, now
            )
        except BillingError as refused:
            return JSONResponse({"error": str(refused)}, 400)
        except StorageUnavailable:  # the provider sends it again
            return JSONResponse({"error": "try again"}, 503)
        return JSONResponse({"taken": True})

    return take
