"""The server as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Unpack

from starlette.applications import Starlette

from layerwatch import console
from layerwatch.api import health, openapi, routes, watcher_routes
from layerwatch.api.body_deadline import BodyDeadline
from layerwatch.api.cors import CorsHeaders, Preflight
from layerwatch.api.error_handlers import install_error_handlers
from layerwatch.api.head import HeadMiddleware
from layerwatch.api.request_log import RequestLogMiddleware
from layerwatch.app.build_services import Parts, build_services
from layerwatch.app.lifespan import lifespan
from layerwatch.config import Settings
from layerwatch.console import status
from layerwatch.obico import routes as obico
from layerwatch.telemetry import tracing


def create_app(settings: Settings, *, slot: str = "", **given: Unpack[Parts]) -> Starlette:
    """The server as an ASGI application.

    slot: where several processes are one server, this one's name among them.
    given: parts to take in place of those that the settings describe.
    Opens the database (without asking it anything) and loads the detector. Raises ConfigError, ModelError,
    ValueError (mail or payments).
    """
    if settings.traces == "otlp" and not tracing.on():
        tracing.start(settings.region, slot)
    services = build_services(settings, slot=slot, **given)

    @asynccontextmanager
    async def alive(_: Starlette) -> AsyncIterator[None]:
        async with lifespan(services, slot):
            yield

    app = Starlette(
        routes=[*routes.ROUTES, *watcher_routes.ROUTES, *health.ROUTES, *openapi.ROUTES], lifespan=alive
    )
    app.router.redirect_slashes = False
    app.state.services = services
    if settings.obico_api:
        obico.install(app, services)
    console.install(app, services)
    if settings.status_page:
        status.install(app, services)
    install_error_handlers(app, services.metrics)
    # The last one added stands outermost.
    app.add_middleware(
        BodyDeadline,
        silence=settings.upload_silence,
        whole=settings.upload_seconds,
        metrics=services.metrics,
    )
    app.add_middleware(HeadMiddleware)
    if settings.origins:
        app.add_middleware(Preflight, origins=settings.origins)
    app.add_middleware(
        RequestLogMiddleware,
        metrics=services.metrics,
        recorder=services.requests,
        clock=services.clock,
        uptime=services.uptime,
    )
    if settings.origins:
        app.add_middleware(CorsHeaders, origins=settings.origins)
    return app
