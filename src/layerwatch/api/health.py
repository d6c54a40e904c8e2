"""For load balancers and monitoring: is the process alive, is it ready, what do its numbers say."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from layerwatch import __version__
from layerwatch.services import Services
from layerwatch.storage import StorageUnavailable
from layerwatch.telemetry.metrics import merge


async def livez(_: Request) -> JSONResponse:
    """The process runs and its event loop answers."""
    return JSONResponse({"Status": "alive", "Version": __version__})


async def readyz(request: Request) -> JSONResponse:
    """The node can serve: from the database, or from memory while that is away for every node alike."""
    services: Services = request.app.state.services

    def ask(session: Session) -> None:
        session.execute(text("SELECT 1"))

    status = {"Status": "ready", "Model": services.vision.model_version}
    try:
        await services.gateway.read_async(ask)
    except StorageUnavailable:
        # A balancer that took every node out for its database would end the detection that goes on without.
        status["Database"] = "away"
    return JSONResponse(status)


async def metrics(request: Request) -> Response:
    """Prometheus' text format. Of several processes, whichever is asked answers for all of them."""
    services: Services = request.app.state.services
    text = merge(await services.peers.metrics()) if services.peers else services.metrics.text()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


ROUTES = [
    Route("/livez", livez, methods=["GET"]),
    Route("/readyz", readyz, methods=["GET"]),
    Route("/metrics", metrics, methods=["GET"]),
]
