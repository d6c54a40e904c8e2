"""The console as an ASGI application."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from layerwatch.console import pages
from layerwatch.console.compression import CompressText
from layerwatch.console.endpoints import routes
from layerwatch.console.error_pages import no_such_page
from layerwatch.console.live_feed import LiveFeeds
from layerwatch.console.live_prints import LivePrint, live_prints
from layerwatch.console.payment_webhook import payment_events
from layerwatch.console.render import static_file
from layerwatch.console.visit import BASE, ConsoleServices
from layerwatch.identity.oidc.factory import provider_of
from layerwatch.services import Services


def install(app: Starlette, services: Services) -> None:
    """Put the console under `/console`, and lead a browser there that asks for `/`."""
    for path in ("/", BASE):
        app.add_route(path, _to_the_console, methods=["GET"], include_in_schema=False)
    console = create_console(services)
    app.mount(BASE, console, name="console")

    def close_streams() -> None:
        console.state.live_feeds.close()
        services.watchers.close()

    app.state.close_streams = close_streams


def create_console(services: Services) -> Starlette:
    """The console over the services of a running server."""
    post_room = ThreadPoolExecutor(2, thread_name_prefix="layerwatch-mail")
    feeds = LiveFeeds(lambda account_id: _read_live_prints(services, account_id))
    desk = ConsoleServices(services, post_room, feeds, provider_of(services.settings))
    console = Starlette(
        routes=[
            Route("/static/{name}", static_file, methods=["GET"]),
            Route("/payments/{provider}", payment_events(services), methods=["POST"]),
            *routes(pages.ALL, desk),
        ],
        exception_handlers={HTTPException: partial(_no_such_page, desk)},
        middleware=[Middleware(CompressText)],
    )
    console.router.redirect_slashes = False
    console.state.live_feeds = feeds
    return console


def _read_live_prints(services: Services, account_id: int) -> tuple[LivePrint, ...]:
    with services.database.read() as session:
        return live_prints(session, account_id, services.clock.now())


async def _to_the_console(request: Request) -> Response:
    return RedirectResponse(f"{BASE}/", 307)


async def _no_such_page(desk: ConsoleServices, request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return await anyio.to_thread.run_sync(no_such_page, request, desk, status)
