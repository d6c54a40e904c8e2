"""Who is calling: from a request's header to a `Caller`, without holding up the event loop."""

from __future__ import annotations

import asyncio
from datetime import datetime

from starlette.requests import Request

from layerwatch.accounts import Caller
from layerwatch.parts import Parts


async def authenticate(request: Request, parts: Parts, at: datetime) -> Caller:
    """The caller behind X-API-Key. Raises what `KeyRing.authenticate` raises."""
    key = request.headers.get("x-api-key")
    address = request.client.host if request.client else None
    caller = parts.keyring.cached(key, at, address)
    if caller is None:
        caller = await asyncio.to_thread(parts.keyring.authenticate, key, at, address)
    request.state.log = {"key": caller.prefix, "account": caller.account_id}
    return caller
