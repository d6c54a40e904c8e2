"""Speaks Moonraker's HTTP API and JSON-RPC WebSocket; checked against the real one in tests/real."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from watcher.tests.stand_ins.machine import Machine

SENSOR = "filament_switch_sensor runout"
_STATES = {"idle": "standby", "heating": "printing", "attention": "paused", "finished": "complete"}


def objects(machine: Machine) -> dict[str, dict[str, Any]]:
    """Klipper's objects as the machine is now."""
    standing = machine.state in ("paused", "attention")
    down = machine.state == "error"
    return {
        "webhooks": {"state": "shutdown" if down else "ready", "state_message": machine.message},
        "print_stats": {
            "state": _STATES.get(machine.state, machine.state),
            "filename": machine.file,
            "message": machine.message,
            "print_duration": 0.0 if machine.state == "heating" else machine.elapsed,
            "total_duration": machine.elapsed,
            "info": {"total_layer": None, "current_layer": None},
        },
        "virtual_sdcard": {"progress": machine.progress},
        "pause_resume": {"is_paused": standing or machine.stuck},
        "heaters": {"available_heaters": list(machine.targets)},
        **{name: {"target": target} for name, target in machine.targets.items()},
        SENSOR: {"enabled": True, "filament_detected": machine.state != "attention"},
    }


def moonraker_app(machine: Machine, picture: bytes = b"", lacks: Sequence[str] = ()) -> Starlette:
    """Moonraker with Klipper behind it, one webcam and one lamp. lacks: objects that Klipper has not."""
    sockets: list[tuple[WebSocket, dict[str, Any]]] = []

    def klippy() -> bool:
        return machine.state != "offline"

    def query(wanted: dict[str, Any]) -> dict[str, Any]:
        now = objects(machine)
        return {
            name: {k: v for k, v in now[name].items() if not fields or k in fields}
            for name, fields in wanted.items()
            if name in now
        }

    def jobs() -> list[dict[str, Any]]:
        status = "in_progress" if machine.busy else "completed"
        return [{"job_id": f"{machine.job:06X}", "status": status}] if machine.job else []

    async def get_objects(request: Request) -> Response:
        if not klippy():
            return JSONResponse({"error": {"code": 503, "message": "Klippy Host not connected"}}, 503)
        wanted = {
            name: fields.split(",") if fields else None for name, fields in request.query_params.items()
        }
        return JSONResponse({"result": {"eventtime": 1.0, "status": query(wanted)}})

    async def list_objects(request: Request) -> Response:
        if not klippy():
            return JSONResponse({"error": {"code": 503, "message": "Klippy Host not connected"}}, 503)
        return JSONResponse({"result": {"objects": [name for name in objects(machine) if name not in lacks]}})

    async def print_action(request: Request) -> Response:
        done = {"pause": machine.pause, "resume": machine.resume, "cancel": machine.cancel}
        if not done[request.path_params["what"]]():
            return JSONResponse({"error": {"code": 400, "message": "No print under way"}}, 400)
        return JSONResponse({"result": "ok"})

    async def script(request: Request) -> Response:
        machine.gcode(request.query_params["script"].split("\n"))
        return JSONResponse({"result": "ok"})

    async def power(request: Request) -> Response:
        machine.switch_light(request.query_params["action"] == "on")
        return JSONResponse({"result": {request.query_params["device"]: request.query_params["action"]}})

    async def webcams(request: Request) -> Response:
        webcam = {
            "name": "nozzle",
            "enabled": True,
            "service": "mjpegstreamer",
            "stream_url": "/webcam/?action=stream",
            "snapshot_url": "/webcam/?action=snapshot",
            "rotation": 180,
            "flip_horizontal": False,
            "flip_vertical": False,
        }
        return JSONResponse({"result": {"webcams": [{**webcam, "name": "off", "enabled": False}, webcam]}})

    async def snapshot(request: Request) -> Response:
        return Response(picture, media_type="image/jpeg")

    def answer(method: str, params: dict[str, Any], subscription: dict[str, Any]) -> Any:
        if method == "server.info":
            return {"klippy_connected": klippy(), "klippy_state": "ready" if klippy() else "disconnected"}
        if method == "printer.objects.list":
            return {"objects": list(objects(machine))}
        if method == "printer.objects.subscribe":
            subscription.clear()
            subscription.update(params["objects"])
            return {"eventtime": 1.0, "status": query(subscription)}
        if method == "printer.objects.query":
            return {"eventtime": 1.0, "status": query(params["objects"])}
        if method == "server.history.list":
            return {"count": len(jobs()), "jobs": jobs()}
        if method == "server.connection.identify":
            return {"connection_id": 1}
        raise KeyError(method)

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        subscription: dict[str, Any] = {}
        sockets.append((websocket, subscription))
        try:
            while True:
                call = json.loads(await websocket.receive_text())
                try:
                    result = {"result": answer(call["method"], call.get("params") or {}, subscription)}
                except KeyError:
                    result = {"error": {"code": -32601, "message": "Method not found"}}
                await websocket.send_text(json.dumps({"jsonrpc": "2.0", "id": call["id"], **result}))
        except WebSocketDisconnect:
            pass
        finally:
            sockets.remove((websocket, subscription))

    last: dict[str, Any] = {"state": machine.state, "job": machine.job}

    def changed() -> None:
        import asyncio

        calls: list[dict[str, Any]] = []
        if machine.job != last["job"]:
            calls.append(
                {"method": "notify_history_changed", "params": [{"action": "added", "job": jobs()[0]}]}
            )
        if not klippy():
            calls.append({"method": "notify_klippy_disconnected"})
        elif last["state"] == "offline":
            calls.append({"method": "notify_klippy_ready"})
        last.update(state=machine.state, job=machine.job)
        for websocket, subscription in sockets:
            messages = [*calls]
            if klippy():
                messages.append({"method": "notify_status_update", "params": [query(subscription), 1.0]})
            for call in messages:
                message = json.dumps({"jsonrpc": "2.0", **call})
                asyncio.ensure_future(websocket.send_text(message))  # noqa: RUF006

    machine.changed = changed
    return Starlette(
        routes=[
            Route("/printer/objects/query", get_objects),
            Route("/printer/objects/list", list_objects),
            Route("/printer/print/{what}", print_action, methods=["POST"]),
            Route("/printer/gcode/script", script, methods=["POST"]),
            Route("/machine/device_power/device", power, methods=["POST"]),
            Route("/server/webcams/list", webcams),
            Route("/webcam/", snapshot),
            WebSocketRoute("/websocket", socket),
        ]
    )
