"""The console as an ASGI application."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from layerwatch.billing.payments.factory import payments_of
from layerwatch.console import pages
from layerwatch.console.payment_webhook import payment_events
from layerwatch.console.render import static_file
from layerwatch.console.web import BASE, HEADERS, ConsoleServices, error_page, routes
from layerwatch.identity.oidc.flow import provider_of
from layerwatch.notify.mail import Mailer, mailer_for
from layerwatch.services import Services


def install(app: Starlette, services: Services, mailer: Mailer | None = None) -> None:
    """Put the console under `/console`, and lead a browser there that asks for `/`."""
    for path in ("/", BASE):
        app.add_route(path, _to_the_console, methods=["GET"], include_in_schema=False)
    app.mount(BASE, create_console(services, mailer), name="console")


def create_console(services: Services, mailer: Mailer | None = None) -> Starlette:
    """The console over the services of a running server. mailer: by default the one of the settings."""
    settings = services.settings
    mailer = mailer or mailer_for(settings.mail_server.get_secret_value(), settings.mail_from)
    post_room = ThreadPoolExecutor(2, thread_name_prefix="layerwatch-mail")
    desk = ConsoleServices(services, mailer, post_room, payments_of(settings), provider_of(settings))
    console = Starlette(
        routes=[
            Route("/static/{name}", static_file, methods=["GET"]),
            Route("/payments/{provider}", payment_events(desk), methods=["POST"]),
            *routes(pages.ALL, desk),
        ],
        exception_handlers={HTTPException: _no_such_page},
    )
    console.router.redirect_slashes = False
    return console


async def _to_the_console(request: Request) -> Response:
    return RedirectResponse(f"{BASE}/", 307)


async def _no_such_page(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    response = error_page(status, "There is no such page.")
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
