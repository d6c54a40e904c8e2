"""In the place of Klipper, behind a real Moonraker: a Unix socket with Klipper's API server's protocol.

Messages are JSON, each ended by the byte 3, as in Klipper's documentation ("API server").
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.moonraker import objects

END = b"\x03"
ENDPOINTS = [
    "info",
    "objects/list",
    "objects/query",
    "objects/subscribe",
    "gcode/help",
    "gcode/script",
    "gcode/subscribe_output",
    "pause_resume/pause",
    "pause_resume/resume",
    "pause_resume/cancel",
    "register_remote_method",
    "emergency_stop",
]


STANDS_S = 3.0
"""A PAUSE macro stops the print this soon, whatever else it does afterwards."""


class Klippy:
    """A machine behind Klipper's API socket. macro_s: how long its PAUSE macro takes."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self._folder = folder
        self._subscriptions: list[tuple[asyncio.StreamWriter, dict[str, Any], dict[str, Any]]] = []
        self._last: dict[str, dict[str, Any]] = {}
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Future[None]] = []
        self.macro_s = 0.0

    async def start(self, socket: Path) -> None:
        self._server = await asyncio.start_unix_server(self._serve, path=str(socket), limit=2**22)
        self.machine.changed = self._changed

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()

    def _objects(self) -> dict[str, dict[str, Any]]:
        now = objects(self.machine)
        moving = self.machine.state == "printing"
        now["idle_timeout"] = {
            "state": "Printing" if moving else "Idle",
            "printing_time": self.machine.elapsed,
        }
        now["display_status"] = {"progress": self.machine.progress, "message": None}
        now["toolhead"] = {"position": [0.0, 0.0, 0.0, 0.0], "homed_axes": "xyz"}
        now["gcode_move"] = {"speed_factor": 1.0}
        now["virtual_sdcard"] = {
            "progress": self.machine.progress,
            "is_active": moving,
            "file_position": int(self.machine.progress * 1000),
            "file_path": str(self._folder / "gcodes" / self.machine.file),
        }
        now["configfile"] = {
            "config": {},
            "settings": {"virtual_sdcard": {"path": str(self._folder / "gcodes")}},
        }
        now["heaters"] = {"available_sensors": [], "available_heaters": list(self.machine.targets)}
        return now

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = json.loads((await reader.readuntil(END))[:-1])
                if request["method"] == "pause_resume/pause" and self.macro_s:
                    self._tasks.append(asyncio.ensure_future(self._park(request, writer)))
                    continue
                try:
                    answer: dict[str, Any] = {"result": self._answer(request, writer)}
                except KeyError as error:
                    answer = {"error": {"error": "WebRequestError", "message": f"unknown: {error}"}}
                if "id" in request:
                    writer.write(json.dumps({"id": request["id"], **answer}).encode() + END)
        self._subscriptions = [one for one in self._subscriptions if one[0] is not writer]
        writer.close()

    async def _park(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        """A PAUSE macro: the print stands soon, and the answer comes when the head is parked."""
        await asyncio.sleep(min(STANDS_S, self.macro_s))
        self.machine.pause()
        await asyncio.sleep(max(0.0, self.macro_s - STANDS_S))
        if not writer.is_closing():
            writer.write(json.dumps({"id": request["id"], "result": {}}).encode() + END)

    def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> Any:
        method, params = request["method"], request.get("params") or {}
        machine = self.machine
        if method == "info":
            return {
                "state": "ready",
                "state_message": "Printer is ready",
                "hostname": "stand-in",
                "klipper_path": str(self._folder),
                "python_path": "/usr/bin/python3",
                "log_file": str(self._folder / "klippy.log"),
                "config_file": str(self._folder / "printer.cfg"),
                "software_version": "v0.12.0-0-g00000000",
                "cpu_info": "stand-in",
                "process_id": 1,
                "user_id": 0,
                "group_id": 0,
            }
        if method == "list_endpoints":
            return {"endpoints": ENDPOINTS}
        if method == "objects/list":
            return {"objects": list(self._objects())}
        if method in ("objects/query", "objects/subscribe"):
            wanted = params["objects"]
            if method == "objects/subscribe":
                self._subscriptions.append((writer, wanted, params.get("response_template", {})))
            return {"eventtime": 1.0, "status": _chosen(self._objects(), wanted)}
        if method == "gcode/help":
            return {}
        if method in ("pause_resume/pause", "pause_resume/resume", "pause_resume/cancel"):
            {"pause": machine.pause, "resume": machine.resume, "cancel": machine.cancel}[
                method.split("/")[1]
            ]()
            return {}
        if method == "gcode/script":
            for line in params["script"].split("\n"):
                {"PAUSE": machine.pause, "RESUME": machine.resume, "CANCEL_PRINT": machine.cancel}.get(
                    line.strip(), lambda line=line: machine.gcode([line])
                )()
            return {}
        if method in ("gcode/subscribe_output", "register_remote_method", "emergency_stop"):
            return {}
        raise KeyError(method)

    def _changed(self) -> None:
        now = self._objects()
        for writer, wanted, template in self._subscriptions:
            chosen = _chosen(now, wanted)
            changes = {
                name: {k: v for k, v in values.items() if self._last.get(name, {}).get(k) != v}
                for name, values in chosen.items()
            }
            changes = {name: values for name, values in changes.items() if values}
            if changes and not writer.is_closing():
                message = {**template, "params": {"eventtime": 2.0, "status": changes}}
                writer.write(json.dumps(message).encode() + END)
        self._last = now


def _chosen(now: dict[str, dict[str, Any]], wanted: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: {k: v for k, v in now[name].items() if not fields or k in fields}
        for name, fields in wanted.items()
        if name in now
    }
