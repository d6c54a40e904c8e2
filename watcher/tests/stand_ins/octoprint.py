"""Speaks OctoPrint's REST API as its documentation has it; checked against the real one in tests/real."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from watcher.tests.stand_ins.machine import Machine

KEY = "octo-key"
_TEXTS = {
    "offline": "Offline",
    "idle": "Operational",
    "heating": "Printing",
    "printing": "Printing",
    "paused": "Paused",
    "attention": "Paused",
    "finished": "Operational",
    "cancelled": "Operational",
    "error": "Offline after error",
}


def octoprint_app(
    machine: Machine,
    snapshot_url: str = "/webcam/?action=snapshot",
    picture: bytes = b"",
    *,
    permissions: Sequence[str] = ("STATUS", "PRINT", "CONTROL"),
    settings_allowed: bool = True,
    check_webcam: bool = True,
) -> Starlette:
    """OctoPrint with one printer and one webcam.

    permissions: of the key's user.  settings_allowed: whether the key may read the settings.
    check_webcam: OctoPrint's snapshotSslValidation.
    """

    def refused(request: Request) -> Response | None:
        if request.headers.get("x-api-key") != KEY:
            return JSONResponse({"error": "You don't have the permission to access it."}, 403)
        return None

    async def job(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        if request.method == "POST":
            if "PRINT" not in permissions:
                return JSONResponse({"error": "You don't have the permission to do that."}, 403)
            return await command(request)
        selected = machine.job > 0
        file = {"name": machine.file, "display": machine.file, "path": machine.file, "origin": "local"}
        answer = {
            "job": {"file": file if selected else {"name": None, "path": None, "origin": None}},
            "progress": {
                "completion": machine.progress * 100 if selected else None,
                "printTime": int(machine.elapsed) if selected else None,
                "printTimeLeft": None,
            },
            "state": _TEXTS[machine.state],
        }
        if machine.state == "error":
            answer["error"] = machine.message
        return JSONResponse(answer)

    async def command(request: Request) -> Response:
        body = await request.json()
        if body["command"] == "pause":
            if not machine.busy:
                return JSONResponse({"error": "Printer is not printing"}, 409)
            if body["action"] == "pause":
                machine.pause()
            else:
                machine.resume()
        elif body["command"] != "cancel":
            return JSONResponse({"error": "command is invalid"}, 400)
        elif not machine.cancel():
            return JSONResponse({"error": "Printer is not printing"}, 409)
        return Response(status_code=204)

    async def gcode(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        if "CONTROL" not in permissions:
            return JSONResponse({"error": "You don't have the permission to do that."}, 403)
        if machine.state == "offline":
            return JSONResponse({"error": "Printer is not operational"}, 409)
        machine.gcode((await request.json())["commands"])
        return Response(status_code=204)

    async def temperatures(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        if machine.state == "offline":
            return JSONResponse({"error": "Printer is not operational"}, 409)
        hot = machine.state != "heating"
        heaters = {
            name: {"actual": target if hot else 21.0, "target": target, "offset": 0}
            for name, target in machine.targets.items()
        }
        return JSONResponse({"temperature": heaters})

    async def current_user(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        return JSONResponse({"name": "me", "permissions": list(permissions), "groups": ["users"]})

    async def settings(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        if not settings_allowed:
            return JSONResponse({"error": "You don't have the permission to access it."}, 403)
        webcam = {
            "webcamEnabled": True,
            "streamUrl": "/webcam/?action=stream",
            "snapshotUrl": snapshot_url,
            "flipH": False,
            "flipV": True,
            "rotate90": False,
            "snapshotSslValidation": check_webcam,
        }
        return JSONResponse({"webcam": webcam})

    async def snapshot(request: Request) -> Response:
        return Response(picture, media_type="image/jpeg")

    return Starlette(
        routes=[
            Route("/api/job", job, methods=["GET", "POST"]),
            Route("/api/printer", temperatures),
            Route("/api/currentuser", current_user),
            Route("/api/printer/command", gcode, methods=["POST"]),
            Route("/api/settings", settings),
            Route("/webcam/", snapshot),
        ]
    )
