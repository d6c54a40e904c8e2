"""A Bambu Lab printer in the local network: its MQTT broker over TLS, and its chamber camera."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from watcher.tests.stand_ins.broker import Broker, brokering
from watcher.tests.stand_ins.machine import Machine

SERIAL, CODE = "01P00A000000001", "12345678"
_STATES = {
    "offline": ("OFFLINE", -1),
    "idle": ("IDLE", -1),
    "heating": ("RUNNING", 2),
    "printing": ("RUNNING", 0),
    "paused": ("PAUSE", 16),
    "attention": ("PAUSE", 6),
    "finished": ("FINISH", -1),
    "cancelled": ("FAILED", -1),
    "error": ("FAILED", -1),
}


class BambuPrinter:
    """What the printer says and does over MQTT.

    deltas: report changes only, as the P1 and A1 series do.
    locked: refuse commands, as firmware without developer mode does.
    deaf: neither answer nor obey them.
    """

    def __init__(
        self, machine: Machine, *, deltas: bool = True, locked: bool = False, deaf: bool = False
    ) -> None:
        self.machine = machine
        self.deltas = deltas
        self.locked = locked
        self.deaf = deaf
        self.broker = Broker("bblp", CODE, self._told)
        self._last: dict[str, Any] = {}
        machine.changed = lambda: asyncio.ensure_future(self.report(full=not deltas))

    def full(self) -> dict[str, Any]:
        machine = self.machine
        state, stage = _STATES[machine.state]
        codes = {"error": 0x07008011, "cancelled": 0x0300400C}
        return {
            "command": "push_status",
            "gcode_state": state,
            "stg_cur": stage,
            "mc_percent": int(machine.progress * 100),
            "mc_remaining_time": 30,
            "subtask_name": machine.file,
            "gcode_file": machine.file,
            "task_id": str(machine.job) if machine.job else "0",
            "subtask_id": "0",
            "gcode_start_time": "0",
            "print_error": codes.get(machine.state, 0),
            "bed_temper": 60.0,
            "nozzle_target_temper": machine.targets.get("tool0", 0.0),
            "bed_target_temper": machine.targets.get("bed", 0.0),
        }

    async def report(self, *, full: bool) -> None:
        now = self.full()
        report = now if full else {k: v for k, v in now.items() if self._last.get(k) != v or k == "command"}
        self._last = now
        await self.broker.publish(f"device/{SERIAL}/report", json.dumps({"print": report}).encode())

    async def say(self, report: dict[str, Any]) -> None:
        """Report something of one's own choice."""
        await self.broker.publish(f"device/{SERIAL}/report", json.dumps({"print": report}).encode())

    async def _told(self, topic: str, payload: bytes) -> None:
        if topic != f"device/{SERIAL}/request":
            return
        for part, request in json.loads(payload).items():
            command = request["command"]
            if command == "pushall":
                await self.report(full=True)
                continue
            if self.deaf:
                continue
            result = {"result": "success"}
            if self.locked:
                result = {"result": "failed", "reason": "mqtt message verify failed"}
            await self.broker.publish(
                f"device/{SERIAL}/report", json.dumps({part: {**request, **result}}).encode()
            )
            if not self.locked:
                self._obey(command, request)

    def _obey(self, command: str, request: dict[str, Any]) -> None:
        machine = self.machine
        if command == "gcode_line":
            machine.gcode(request["param"].strip().split("\n"))
        elif command == "ledctrl":
            machine.switch_light(request["led_mode"] == "on")
        else:
            {"pause": machine.pause, "resume": machine.resume, "stop": machine.cancel}[command]()


@asynccontextmanager
async def bambu_printer(printer: BambuPrinter, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """Run the printer's broker; gives its port."""
    async with brokering(printer.broker, tls):
        yield printer.broker.port


@asynccontextmanager
async def chamber_camera(
    pictures: list[bytes], tls: ssl.SSLContext, *, cut: int = 0, announce: int = 0, hold: bool = False
) -> AsyncIterator[int]:
    """The camera of an A1 or P1: frames after an 80-byte login.

    cut: stop so many bytes early.  announce: bytes that its header counts too many.  hold: never hang up.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            login = await reader.readexactly(80)
            size, kind, _, _, user, code = struct.unpack("<IIII32s32s", login)
            if (size, kind) == (0x40, 0x3000) and (user.rstrip(b"\0"), code.rstrip(b"\0")) == (
                b"bblp",
                CODE.encode(),
            ):
                for picture in pictures:
                    frame = struct.pack("<IIII", len(picture) + announce, 0, 1, 0) + picture
                    frame = frame[: len(frame) - cut]
                    for start in range(0, len(frame), 4096):
                        writer.write(frame[start : start + 4096])
                        await writer.drain()
                if hold:
                    await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
