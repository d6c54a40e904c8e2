"""A printer, a camera and a judge in memory, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
from watcher.tests.stand_ins.certificates import tls
from watcher.tests.stand_ins.clock import VirtualClock
from watcher.tests.stand_ins.judge import HEALTHY, ScriptedInspector, Verdict
from watcher.tests.stand_ins.machine import Machine

from layerwatch_watcher.cameras import CameraError
from layerwatch_watcher.notifications.event import Event, Kind
from layerwatch_watcher.printers.base import PrinterError, PrinterState, PrinterStatus
from layerwatch_watcher.watching.action_log import ActionLog
from layerwatch_watcher.watching.checkpoint import CheckpointStore
from layerwatch_watcher.watching.policy import Policy
from layerwatch_watcher.watching.print_session import Levels
from layerwatch_watcher.watching.print_watcher import PrintWatcher
from layerwatch_watcher.watching.watched import Watched

__all__ = ["tls"]

SOME_DAY = 1.8e9
PICTURE = b"\xff\xd8\xff\xe0\x00\x04\x00\x00\xff\xd9"


class MemoryPrinter:
    """A `Printer` on a `Machine`, without anything in between."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.broken: Optional[str] = None
        self.deaf = False
        self.stuck = False
        self.numbers_jobs = True
        self.silent_since: Optional[float] = None
        self.now: Callable[[], float] = lambda: 0.0

    async def status(self) -> PrinterStatus:
        if self.broken:
            raise PrinterError(self.broken)
        machine = self.machine
        state = PrinterState("preparing" if machine.state == "heating" else machine.state)
        status = PrinterStatus(
            PrinterState.PAUSED if self.stuck and state is PrinterState.PRINTING else state,
            str(machine.job) if self.numbers_jobs else None,
            machine.file,
            machine.progress,
            machine.elapsed,
            print_time=machine.elapsed if self.stuck else None,
        )
        return replace(status, age=0.0 if self.silent_since is None else self.now() - self.silent_since)

    async def pause(self) -> None:
        self._check()
        if self.deaf:
            self.machine.commands.append("pause")
        else:
            self.machine.pause()

    async def resume(self) -> None:
        self.machine.resume()

    async def cancel(self) -> None:
        self._check()
        self.machine.cancel()

    async def gcode(self, lines: Sequence[str]) -> None:
        self._check()
        self.machine.gcode(list(lines))

    async def heaters_off(self) -> None:
        await self.gcode(["M104 S0", "M140 S0"])

    async def heater_targets(self) -> Mapping[str, float]:
        self._check()
        return self.machine.targets

    async def check_control(self) -> None:
        pass

    async def light(self, on: bool) -> None:
        self.machine.switch_light(on)

    async def close(self) -> None:
        pass

    def _check(self) -> None:
        if self.broken:
            raise PrinterError(self.broken)


class MemoryCamera:
    """A camera that gives one picture for ever, or fails."""

    def __init__(self) -> None:
        self.taken = 0
        self.broken: Optional[str] = None

    async def snapshot(self) -> bytes:
        if self.broken:
            raise CameraError(self.broken, "plug it in")
        self.taken += 1
        return PICTURE

    async def close(self) -> None:
        pass


@dataclass
class Scene:
    """Everything around one watched printer."""

    clock: VirtualClock
    machine: Machine
    printer: MemoryPrinter
    camera: MemoryCamera
    judge: ScriptedInspector
    journal_path: Path
    events: list[Event] = field(default_factory=list)
    cameras: dict[str, MemoryCamera] = field(default_factory=dict)
    watcher: Any = None
    task: Any = None

    def watch(self, levels: Optional[Levels] = None, server: str = "http://x", **policy: Any) -> PrintWatcher:
        """Begin to watch, with this policy."""
        cameras = self.cameras or {"camera": self.camera}
        watched = Watched("mk4", self.printer, cameras, replace(Policy(), **policy), levels or Levels())
        self.watcher = PrintWatcher(
            watched,
            self.judge,
            ActionLog(self.journal_path),
            self.events.append,
            server=server,
            memory=CheckpointStore(self.note_path, lambda: SOME_DAY + self.clock.monotonic()),
            beds=self.judge,
        )
        self.task = asyncio.ensure_future(self.watcher.run())
        return self.watcher

    @property
    def note_path(self) -> Path:
        return self.journal_path.parent / "state" / "mk4.json"

    async def die(self) -> None:
        """End the watcher as a kill does: it does nothing on its way out that anything depends on."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def run(self, seconds: float) -> None:
        """Let time pass; a machine that prints goes on printing."""
        for _ in range(int(seconds) // 5):
            if self.machine.state == "printing":
                self.machine.elapsed += 5
            await self.clock.advance(5)

    def journal(self, what: str = "") -> list[dict[str, Any]]:
        """What was written down, or only the entries about `what`."""
        if not self.journal_path.exists():
            return []
        entries = [json.loads(line) for line in self.journal_path.read_text().splitlines()]
        return [entry for entry in entries if not what or entry["what"] == what]

    def kinds(self) -> list[Kind]:
        return [event.kind for event in self.events]

    def start_print(self, file: str = "benchy.gcode") -> None:
        self.machine.start(file)
        self.machine.print_on(1, 0.01)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(verdict: Callable[[float], Verdict] = lambda _: HEALTHY, **judge: Any) -> Scene:
        clock, machine = VirtualClock(), Machine()
        printer = MemoryPrinter(machine)
        printer.now = clock.monotonic
        scene = Scene(
            clock,
            machine,
            printer,
            MemoryCamera(),
            ScriptedInspector(clock, verdict, **judge),
            tmp_path / "actions.jsonl",
        )
        made.append(scene)
        return scene

    yield make
    for one in made:
        if one.task is not None:
            one.task.cancel()
            with suppress(asyncio.CancelledError):
                await one.task
