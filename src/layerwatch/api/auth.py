"""Who is calling: from a request's header to a `Caller`, without holding up the event loop."""

from __future__ import annotations

import asyncio
from datetime import datetime

from starlette.requests import Request

from layerwatch.keys import Caller
from layerwatch.services import Parts
from layerwatch.telemetry import tracing


async def authenticate(request: Request, parts: Parts, at: datetime) -> Caller:
    """The caller behind X-API-Key. Raises what `KeyAuthenticator.authenticate` raises."""
    key = request.headers.get("x-api-key")
    address = request.client.host if request.client else None
    with tracing.span("key check"):
        caller = parts.keyring.cached(key, at, address)
        if caller is None:
            caller = await _ask(parts, key, at, address)
    request.state.log = {"key": caller.prefix, "account": caller.account_id}
    return caller


async def _ask(parts: Parts, key: str | None, at: datetime, address: str | None) -> Caller:
    if not parts.reach.away:
        asking = asyncio.to_thread(parts.keyring.authenticate, key, at, address)
        try:
            return await asyncio.wait_for(asking, parts.reach.patience)
        except TimeoutError:
            parts.reach.gone("the database does not answer")
    # From memory, and without a thread: those may all be waiting for the database.
    parts.keyring.leave_alone(at)
    return parts.keyring.authenticate(key, at, address)
