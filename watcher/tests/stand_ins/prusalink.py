"""Speaks PrusaLink's version 1 API, as its OpenAPI document has it, with digest login."""

from __future__ import annotations

import hashlib
import re

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from watcher.tests.stand_ins.machine import Machine

USER, PASSWORD = "maker", "prusa-pass"
_STATES = {
    "idle": "IDLE",
    "heating": "BUSY",
    "printing": "PRINTING",
    "paused": "PAUSED",
    "attention": "ATTENTION",
    "finished": "FINISHED",
    "cancelled": "STOPPED",
    "error": "ERROR",
}


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _passes(request: Request) -> bool:
    fields = dict(re.findall(r'(\w+)="?([^",]+)"?', request.headers.get("authorization", "")))
    if fields.get("username") != USER:
        return False
    first = _md5(f"{USER}:{fields['realm']}:{PASSWORD}")
    second = _md5(f"{request.method}:{fields['uri']}")
    if "qop" in fields:
        middle = f"{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:{fields['qop']}"
    else:
        middle = fields["nonce"]
    return fields.get("response") == _md5(f"{first}:{middle}:{second}")


def prusalink_app(machine: Machine, picture: bytes = b"") -> Starlette:
    """PrusaLink with one camera."""

    def refused(request: Request) -> Response | None:
        if _passes(request):
            return None
        challenge = 'Digest realm="Printer API", nonce="00000000deadbeef", stale=false'
        return Response("Unauthorized", 401, {"WWW-Authenticate": challenge})

    async def status(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        target = machine.targets.get("tool0", 0.0)
        answer: dict[str, object] = {
            "printer": {
                "state": _STATES[machine.state],
                "temp_nozzle": target,
                "target_nozzle": target,
                "temp_bed": 60.0,
                "target_bed": machine.targets.get("bed", 0.0),
            }
        }
        if machine.busy:
            answer["job"] = {
                "id": machine.job,
                "progress": machine.progress * 100,
                "time_printing": int(machine.elapsed),
            }
        return JSONResponse(answer)

    async def job(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        if not machine.busy:
            return Response(status_code=204)
        file = {"name": "BENCHY~1.GCO", "display_name": machine.file}
        return JSONResponse({"id": machine.job, "state": _STATES[machine.state], "file": file})

    async def act(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        if request.path_params["id"] != machine.job or not machine.busy:
            return Response(status_code=404)
        what = request.path_params.get("what")
        if request.method == "DELETE":
            machine.cancel()
        elif what == "pause":
            if machine.state in ("paused", "attention"):
                return Response(status_code=409)
            machine.pause()
        else:
            machine.resume()
        return Response(status_code=204)

    async def cameras(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        return JSONResponse(
            {"camera_list": [{"camera_id": "c1", "connected": True, "config": {"name": "usb"}}]}
        )

    async def snap(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        return Response(picture, media_type="image/jpeg")

    return Starlette(
        routes=[
            Route("/api/v1/status", status),
            Route("/api/v1/job", job),
            Route("/api/v1/job/{id:int}/{what}", act, methods=["PUT"]),
            Route("/api/v1/job/{id:int}", act, methods=["DELETE"]),
            Route("/api/v1/cameras", cameras),
            Route("/api/v1/cameras/{camera}/snap", snap),
        ]
    )
