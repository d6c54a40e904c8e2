"""Serving a stand-in on a real socket of this machine, for as long as a test lasts."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Optional

import uvicorn


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leave signals to the test runner."""


@asynccontextmanager
async def serving(app: Any, port: int = 0, tls: Optional[ssl.SSLContext] = None) -> AsyncIterator[str]:
    """Serve an ASGI app on a port of 127.0.0.1, by default a free one; gives its address."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="error",
        lifespan="off",
        ws="websockets-sansio",
        date_header=False,
    )
    if tls is not None:
        config.load()
        config.ssl = tls
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls is not None else 'http'}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
