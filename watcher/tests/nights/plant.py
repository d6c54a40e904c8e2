"""One simulated printer with its camera: what is really so, and every fault that hides it.

It speaks five printers' languages in memory: OctoPrint, Moonraker, PrusaLink and Duet over httpx's mock
transport, Bambu Lab over an MQTT client that needs no network.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Optional, Protocol
from urllib.parse import parse_qs

import httpx

KINDS = ("octoprint", "moonraker", "prusalink", "duet", "bambu")
SERIAL = "01P00A000000001"
HEATING_S = 120.0


def now() -> float:
    return asyncio.get_running_loop().time()


async def silence(patience: float) -> None:
    """No answer comes."""
    await asyncio.sleep(patience)
    raise TimeoutError


def jpeg(text: str) -> bytes:
    """A JPEG that shows nothing and says `text` in a comment."""
    words = text.encode()
    return b"\xff\xd8\xff\xfe" + (len(words) + 2).to_bytes(2, "big") + words + b"\xff\xd9"


class Link(Protocol):
    """A connection that hears of every change."""

    def report(self) -> None: ...


@dataclass
class Plant:
    """A printer. `faults`: names of what is wrong now; `order_fault`: what happens to the next order.

    state: idle, heating, printing, paused, finished or cancelled.  elapsed: seconds printed.
    """

    number: int
    kind: str
    state: str = "idle"
    job: int = 0
    part: int = 0
    elapsed: float = 0.0
    duration: float = 3600.0
    failing: bool = False
    stuck: bool = False
    tools: int = 1
    faults: set[str] = field(default_factory=set)
    order_fault: str = ""
    order_delay: float = 0.0
    heater_fault_until: float = 0.0
    orders: list[tuple[float, str]] = field(default_factory=list)
    paused_by_order: Optional[float] = None
    pauses: list[float] = field(default_factory=list)
    targets: dict[str, float] = field(default_factory=dict)
    frames: int = 0
    _at: float = 0.0
    _heated_at: float = 0.0
    tasks: set[Any] = field(default_factory=set)
    links: list[Link] = field(default_factory=list)

    @property
    def file(self) -> str:
        return f"part-{self.part}.gcode"

    @property
    def busy(self) -> bool:
        return self.state in ("heating", "printing", "paused")

    @property
    def progress(self) -> float:
        return min(0.99, self.elapsed / self.duration)

    def tick(self) -> None:
        """Let the print come to where it is now."""
        at, self._at = self._at, now()
        if self.state == "heating" and now() >= self._heated_at:
            at, self.state = self._heated_at, "printing"
        if self.state == "printing":
            self.elapsed += max(0.0, now() - at)
            if self.elapsed >= self.duration:
                self.become("finished")

    def become(self, state: str) -> None:
        self.state = state
        if not self.busy:
            self.targets = dict.fromkeys(self.targets, 0.0)
        for link in self.links:
            link.report()

    def start(self, duration: float) -> None:
        """Begin a new print of another file."""
        self.part += 1
        self._begin(duration)

    def _begin(self, duration: float) -> None:
        self.tick()
        self.job += 1
        self.elapsed, self.duration, self.failing, self.paused_by_order = 0.0, duration, False, None
        self.targets = {**{f"tool{n}": 215.0 for n in range(self.tools)}, "bed": 60.0}
        self._heated_at = now() + HEATING_S
        self.become("heating")

    def restart(self) -> None:
        """The same file from its beginning, as a person does after a look at it."""
        self._begin(self.duration)

    async def order(self, word: str, patience: float = 1e6) -> None:
        """An order that came in. Returns when it is answered.

        Raises PermissionError if it is refused, TimeoutError if no answer comes within `patience` s.
        """
        self.tick()
        self.orders.append((now(), word))
        fault, self.order_fault = self.order_fault, "" if self.order_fault != "refused" else "refused"
        if fault == "refused":
            raise PermissionError
        if fault == "lost":  # it never arrived
            await silence(patience)
        if fault in ("slow", "late"):
            task = asyncio.ensure_future(self._later(word, 3.0 if fault == "slow" else self.order_delay))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            if self.order_delay > patience:
                await silence(patience)
            await asyncio.sleep(self.order_delay)
            return
        self._carry_out(word)
        if fault == "answer lost":
            await silence(patience)

    async def close(self) -> None:
        """Cancel orders that still wait for an answer which never comes."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _later(self, word: str, delay: float) -> None:
        await asyncio.sleep(delay)
        self._carry_out(word)

    def _carry_out(self, word: str) -> None:
        self.tick()
        if word == "pause" and self.state in ("heating", "printing"):
            self.paused_by_order = now()
            self.pauses.append(now())
            self.become("paused")
        elif word == "cancel" and self.busy:
            self.become("cancelled")

    def heaters(self, lines: list[str]) -> None:
        """Run the G-code that switches heaters; while the heater fault lasts, one tool does not obey."""
        for line in lines:
            if line in ("TURN_OFF_HEATERS", "M140 S0") or line.startswith("M140 P"):
                self.targets["bed"] = 0.0
            for n in range(self.tools):
                mine = line == f"M104 T{n} S0" or line.startswith(f"M568 P{n} ") or line == "TURN_OFF_HEATERS"
                if (mine or (n == 0 and line == "M104 S0")) and not (
                    n == 0 and now() < self.heater_fault_until
                ):
                    self.targets[f"tool{n}"] = 0.0

    # The camera

    async def picture(self) -> httpx.Response:
        self.tick()
        if "camera dead" in self.faults:
            return httpx.Response(502, text="gone")
        if "camera hangs" in self.faults:
            await silence(1e6)
        if "camera web page" in self.faults:
            return httpx.Response(200, html="<html><title>Login</title></html>")
        if "camera frozen" not in self.faults:
            self.frames += 1
        condition = "dark" if "camera dark" in self.faults else "ok"
        condition = "no-print" if "camera no signal" in self.faults else condition
        seen = json.dumps(
            {"printer": self.number, "frame": self.frames, "failing": self.failing, "as": condition}
        )
        return httpx.Response(200, content=jpeg(seen), headers={"content-type": "image/jpeg"})

    # Printers over HTTP

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.tick()
        if "host down" in self.faults:
            raise httpx.ConnectError("[Errno 111] Connection refused", request=request)
        patience = request.extensions.get("timeout", {}).get("read") or 10.0
        try:
            if "host hangs" in self.faults:
                await silence(patience)
            return await self._answer(request, patience)
        except TimeoutError:
            raise httpx.ReadTimeout("no answer", request=request) from None
        except PermissionError:
            return httpx.Response(403, json={"error": "no permission"})

    async def _answer(self, request: httpx.Request, patience: float) -> httpx.Response:
        method, path = request.method, request.url.path
        query = {name: values[0] for name, values in parse_qs(request.url.query.decode(), True).items()}
        body = json.loads(request.content) if request.content.startswith(b"{") else {}
        found: Any = await getattr(self, f"_{self.kind}")(method, path, query, body, patience)
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)

    async def _octoprint(self, method: str, path: str, query: Any, body: Any, patience: float) -> Any:
        if path == "/api/printer/command":
            self.heaters(body["commands"])
            return httpx.Response(204)
        if method == "POST":
            await self.order(body.get("action") or body["command"], patience)
            return httpx.Response(204)
        if path == "/api/printer":
            hot = self.state != "heating"
            heat = {n: {"actual": t if hot else 21.0, "target": t} for n, t in self.targets.items()}
            return {"temperature": heat}
        words = {"heating": "Printing", "printing": "Printing", "paused": "Paused"}
        text = "Offline" if "printer offline" in self.faults else words.get(self.state, "Operational")
        lost = "printer offline" in self.faults
        done = 1.0 if self.state == "finished" else self.progress
        return {
            "state": text,
            "job": {"file": {"name": None if lost else self.file, "path": None if lost else self.file}},
            "progress": {
                "completion": None if lost or not self.elapsed else done * 100,
                "printTime": None if lost or not self.elapsed else self.elapsed,
            },
        }

    async def _moonraker(self, method: str, path: str, query: Any, body: Any, patience: float) -> Any:
        if "printer offline" in self.faults:
            return httpx.Response(503, json={"error": {"code": 503, "message": "Klippy Host not connected"}})
        if path == "/printer/print/pause":
            await self.order("pause", patience) if not self.stuck else None
        elif path == "/printer/gcode/script":
            self.stuck = self.stuck and "CLEAR_PAUSE" not in query["script"]
            self.heaters(query["script"].split("\n"))
        elif path == "/printer/objects/list":
            return {"result": {"objects": ["print_stats", "pause_resume"]}}
        elif path == "/printer/objects/query":
            return {"result": {"status": self._klipper()}}
        return {"result": "ok"}

    def _klipper(self) -> dict[str, Any]:
        states = {"heating": "printing", "finished": "complete", "idle": "standby"}
        return {
            "webhooks": {"state": "ready"},
            "print_stats": {
                "state": states.get(self.state, self.state),
                "filename": self.file,
                "print_duration": self.elapsed,
                "total_duration": self.elapsed,
            },
            "virtual_sdcard": {"progress": self.progress},
            "pause_resume": {"is_paused": self.state == "paused" or self.stuck},
            "heaters": {"available_heaters": list(self.targets)},
            **{name: {"target": target} for name, target in self.targets.items()},
        }

    async def _prusalink(self, method: str, path: str, query: Any, body: Any, patience: float) -> Any:
        if method in ("PUT", "DELETE"):
            await self.order("pause" if method == "PUT" else "cancel", patience)
            return httpx.Response(204)
        if path == "/api/v1/job":
            return {"file": {"display_name": self.file}}
        states = {"heating": "BUSY", "cancelled": "STOPPED"}
        hot = {"temp_nozzle": 215.0, "target_nozzle": self.targets.get("tool0", 0.0)}
        answer: dict[str, Any] = {"printer": {"state": states.get(self.state, self.state.upper()), **hot}}
        if self.busy:
            answer["job"] = {"id": self.job, "progress": self.progress * 100, "time_printing": self.elapsed}
        return answer

    async def _duet(self, method: str, path: str, query: Any, body: Any, patience: float) -> Any:
        if path == "/rr_connect":
            return {"err": 0, "sessionKey": 1}
        if path == "/rr_disconnect":
            return {"err": 0}
        if path == "/rr_gcode":
            lines = query["gcode"].split("\n")
            if "M25" in lines:
                await self.order("pause", patience)
            self.heaters(lines)
            return {"buff": 1}
        states = {"heating": "busy", "printing": "processing", "paused": "paused"}
        text = "off" if "printer offline" in self.faults else states.get(self.state, "idle")
        name = f"0:/gcodes/{self.file}"
        job = {
            "file": {"fileName": name if self.busy else None, "size": 1000},
            "filePosition": int(self.progress * 1000),
            "duration": self.elapsed if self.busy else None,
            "lastFileName": None if self.busy or not self.job else name,
            "lastFileCancelled": self.state == "cancelled",
        }
        heaters = [{"state": "active" if t else "off", "active": t} for t in self.targets.values()]
        parts = {
            "state": {"status": text},
            "job": job,
            "heat": {"heaters": heaters, "bedHeaters": [0], "chamberHeaters": []},
            "tools": [{"number": n} for n in range(self.tools)],
        }
        return {"result": parts[query["key"]]}

    def bambu_report(self) -> dict[str, Any]:
        self.tick()
        states = {"heating": "RUNNING", "printing": "RUNNING", "paused": "PAUSE", "cancelled": "FAILED"}
        return {
            "command": "push_status",
            "gcode_state": states.get(self.state, {"finished": "FINISH"}.get(self.state, "IDLE")),
            "stg_cur": 2 if self.state == "heating" else 0,
            "mc_percent": int(self.progress * 100),
            "subtask_name": self.file,
            "task_id": str(self.job),
            "print_error": 0x0300400C if self.state == "cancelled" else 0,
            "nozzle_target_temper": self.targets.get("tool0", 0.0),
            "bed_target_temper": self.targets.get("bed", 0.0),
        }
