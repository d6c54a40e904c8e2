"""Who is calling: from a request's header to a `Caller`, without holding up the event loop."""

from __future__ import annotations

import asyncio
from datetime import datetime

from starlette.requests import Request

from layerwatch.keys import Caller
from layerwatch.services import Services
from layerwatch.telemetry import tracing


async def authenticate(request: Request, services: Services, at: datetime) -> Caller:
    """The caller behind X-API-Key. Raises what `KeyAuthenticator.authenticate` raises."""
    key = request.headers.get("x-api-key")
    address = request.client.host if request.client else None
    with tracing.span("key check"):
        caller = services.authenticator.cached(key, at, address)
        if caller is None:
            caller = await _ask(services, key, at, address)
    request.state.caller = caller
    request.state.log = {"key": caller.prefix, "account": caller.account_id}
    return caller


async def _ask(services: Services, key: str | None, at: datetime, address: str | None) -> Caller:
    if not services.gateway.away:
        asking = asyncio.to_thread(services.authenticator.authenticate, key, at, address)
        try:
            return await asyncio.wait_for(asking, services.gateway.timeout_s)
        except TimeoutError:
            services.gateway.gone("the database does not answer")
    # From memory, and without a thread: those may all be waiting for the database.
    services.authenticator.leave_alone(at)
    return services.authenticator.authenticate(key, at, address)
