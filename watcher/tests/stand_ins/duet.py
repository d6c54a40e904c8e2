"""Speaks RepRapFirmware's HTTP requests (standalone), or DuetSoftwareFramework's (behind a computer)."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from watcher.tests.stand_ins.machine import Machine

PASSWORD = "duet-pass"
_STATES = {
    "offline": "off",
    "idle": "idle",
    "heating": "busy",
    "printing": "processing",
    "paused": "paused",
    "attention": "paused",
    "finished": "idle",
    "cancelled": "idle",
    "error": "halted",
}


def model(machine: Machine) -> dict[str, Any]:
    """The print-related parts of the object model."""
    state: dict[str, Any] = {"status": _STATES[machine.state], "messageBox": None}
    if machine.state == "attention":
        state["messageBox"] = {"message": "Out of filament", "mode": 2}
    file = (
        {"fileName": f"0:/gcodes/{machine.file}", "size": 1000}
        if machine.busy
        else {"fileName": None, "size": 0}
    )
    job = {
        "file": file,
        "filePosition": int(machine.progress * 1000),
        "duration": int(machine.elapsed) if machine.busy else None,
        "lastFileName": f"0:/gcodes/{machine.file}" if machine.job and not machine.busy else None,
        "lastFileCancelled": machine.state == "cancelled",
        "lastFileAborted": False,
    }
    names = list(machine.targets)
    heaters = [
        {"state": "active" if target else "off", "active": target, "standby": 0, "current": target}
        for target in machine.targets.values()
    ]
    heat = {
        "heaters": heaters,
        "bedHeaters": [names.index("bed"), -1] if "bed" in names else [],
        "chamberHeaters": [-1, -1],
    }
    tools = [{"number": int(name[4:]), "heaters": [n]} for n, name in enumerate(names) if name != "bed"]
    return {"state": state, "job": job, "heat": heat, "tools": tools}


def _run(machine: Machine, lines: str) -> None:
    for line in lines.split("\n"):
        if line == "M25":
            machine.pause()
        elif line == "M24":
            machine.resume()
        elif line == "M0":
            if machine.state == "paused":
                machine.cancel()
        else:
            machine.gcode([line])


def duet_app(machine: Machine, *, standalone: bool = True) -> Starlette:
    """A Duet with a password. `forget` in the app's state ends every session, as a timeout does."""
    sessions: set[str] = set()

    def known(request: Request) -> bool:
        return request.headers.get("x-session-key") in sessions

    async def connect(request: Request) -> Response:
        if request.query_params.get("password") != PASSWORD:
            return JSONResponse({"err": 1}) if standalone else Response(status_code=403)
        key = str(1000 + len(sessions))
        sessions.add(key)
        answer = {"err": 0, "sessionTimeout": 8000, "boardType": "duet3", "sessionKey": int(key)}
        return JSONResponse(answer if standalone else {"sessionKey": key})

    async def rr_model(request: Request) -> Response:
        if not known(request):
            return Response(status_code=401)
        key = request.query_params["key"]
        return JSONResponse({"key": key, "flags": "", "result": model(machine)[key]})

    async def rr_gcode(request: Request) -> Response:
        if not known(request):
            return Response(status_code=401)
        _run(machine, request.query_params["gcode"])
        return JSONResponse({"buff": 200})

    async def status(request: Request) -> Response:
        return JSONResponse(model(machine)) if known(request) else Response(status_code=403)

    async def code(request: Request) -> Response:
        if not known(request):
            return Response(status_code=403)
        _run(machine, (await request.body()).decode())
        return Response("ok\n", media_type="text/plain")

    async def disconnect(request: Request) -> Response:
        sessions.discard(request.headers.get("x-session-key", ""))
        return JSONResponse({"err": 0})

    if standalone:
        routes = [
            Route("/rr_connect", connect),
            Route("/rr_disconnect", disconnect),
            Route("/rr_model", rr_model),
            Route("/rr_gcode", rr_gcode),
        ]
    else:
        routes = [
            Route("/machine/connect", connect),
            Route("/machine/disconnect", disconnect),
            Route("/machine/status", status),
            Route("/machine/code", code, methods=["POST"]),
        ]
    app = Starlette(routes=routes)
    app.state.sessions = sessions
    return app
