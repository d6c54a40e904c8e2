"""An application on an open socket, by Uvicorn, with Layerwatch's limits."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from functools import partial

import structlog
import uvicorn
from starlette.applications import Starlette

from layerwatch.api.errors import ApiError
from layerwatch.api.load_shedding import LoadShedder
from layerwatch.services import Services
from layerwatch.serving import gc_tuning
from layerwatch.serving.connections import Connections, connection_limit
from layerwatch.serving.http_protocol import HttpProtocol

log = structlog.get_logger(__name__)

GRACE_SECONDS = 30
"""How long calls that were accepted may take to end after SIGTERM."""

TICKS_A_SECOND = 10
"""How often Uvicorn's main loop comes round."""


class Server(uvicorn.Server):
    """Uvicorn's server, which reports when it is ready and, once a second, that its event loop runs."""

    def __init__(
        self,
        app: Starlette,
        alive: Callable[[], None] = lambda: None,
        *,
        ready: Callable[[], None] = lambda: None,
        grace: int = GRACE_SECONDS,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_protocol(app.state.services),  # type: ignore[arg-type]
                ws="none",
                loop="uvloop" if sys.platform != "win32" else "asyncio",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                forwarded_allow_ips=app.state.services.settings.trusted_proxies,
                timeout_graceful_shutdown=grace,
            )
        )
        self._close_streams: Callable[[], None] = app.state.close_streams
        self._alive = alive
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()
            self._alive()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._close_streams()  # they would last for the whole grace period
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SECOND == 0:
            self._alive()
        return await super().on_tick(counter)


def _protocol(services: Services) -> Callable[..., HttpProtocol]:
    """What makes the protocol of each connection of a server."""
    settings = services.settings
    connections = Connections(connection_limit(), settings.connections_per_address, settings.trusted_proxies)
    services.metrics.gauge("connections", "Open connections of clients.", lambda: len(connections))

    def refused(error: ApiError) -> None:
        services.metrics.refused(error.type)
        log.info("connection_refused", error=error.type.value, details=error.details)

    return partial(
        HttpProtocol,
        connections=connections,
        shedder=LoadShedder(services),
        body_seconds=settings.upload_seconds,
        refused=refused,
    )


def serve(app: Starlette, listener: socket.socket, alive: Callable[[], None] = lambda: None) -> int:
    """Serve until SIGINT or SIGTERM; the exit status.

    alive: called when it listens, and about once a second as long as its event loop turns.
    """
    server = Server(app, alive, ready=gc_tuning.release)
    server.run(sockets=[listener])
    return 0 if server.started else 1
