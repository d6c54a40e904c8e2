"""What the tests against real printer software share: a server, a filmed print, a report."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from watcher.tests.stand_ins.serve import serving

from layerwatch.simulator import Simulation
from layerwatch_watcher.watching import assembly, supervisor
from layerwatch_watcher.watching.clock import FastClock
from layerwatch_watcher.watching.print_session import Look
from layerwatch_watcher.watching.print_watcher import PrintWatcher
from layerwatch_watcher.watching.settings import read

FRAME_SECONDS = 10.0
"""Simulated print time between two rendered frames, seconds."""
STOPPED_FRAMES = 7
"""How many frames, a second apart, a scene that no longer changes is filmed with in turn."""


@contextmanager
def layerwatch_server(folder: Path, speed: float) -> Iterator[tuple[str, str]]:
    """`layerwatch keys create` and `layerwatch serve` on a fast clock; gives address and key."""
    program = [sys.executable, "-m", "layerwatch"]
    environment = {**os.environ, "LAYERWATCH_CLOCK_SPEED": str(speed)}
    data = ["--data-dir", str(folder)]
    made = subprocess.run(
        [*program, "keys", "create", "--name", "real", *data, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    with (folder / "server.log").open("w") as log:
        serving_process = subprocess.Popen(
            [*program, "serve", "--port", "0", *data, "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert serving_process.stdout is not None
            url = json.loads(serving_process.stdout.readline())["url"]
            wait_for(lambda: httpx.get(f"{url}/readyz").status_code == 200, 90)
            yield url, json.loads(made.stdout)["key"]
        finally:
            stop(serving_process)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def stop(process: subprocess.Popen[Any]) -> None:
    """End a program that was started here."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(true: Callable[[], bool], seconds: float) -> None:
    """Wait until it is so; a refused connection counts as not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if true():
                return
        except (httpx.HTTPError, KeyError):
            pass
        time.sleep(0.2)
    raise SystemExit("it did not come up in time")


@dataclass
class Filmed:
    """A simulated print in front of the camera. Its time passes only while `moving`.

    seconds: of print so far.  onset: when it begins to fail, None for a healthy one.
    stopped_at: from this second on the scene no longer changes, though time passes: what a person has
    judged stays as it was judged. The camera is alive all the same; no two pictures in a row are equal.
    shown: the second of the newest picture, which is what was judged last.
    """

    simulation: Simulation
    moving: bool = False
    seconds: float = 0.0
    stopped_at: Optional[float] = None
    shown: int = 0
    _frames: dict[int, bytes] = field(default_factory=dict)

    @property
    def onset(self) -> Optional[float]:
        return self.simulation.onset

    def plain(self) -> float:
        """When the failure is plain to see: half grown, by the simulator's own truth."""
        second = int(self.onset or 0)
        while self.simulation.truth(float(second)).severity < 0.5:
            second += 5
        return float(second)

    def render_until(self, second: float) -> None:
        """Render the frames up to this second before time passes: on a busy machine they would come late,
        by as much print time as the clock runs fast, and the failure be seen that much later."""
        for start in range(0, int(second), int(FRAME_SECONDS)):
            self._frames[start] = self.simulation.frame(float(start)).jpeg()

    def picture(self) -> bytes:
        """What the camera sees now."""
        second = int(self.seconds // FRAME_SECONDS * FRAME_SECONDS)
        if self.stopped_at is not None:
            second = int(self.stopped_at) - int(self.seconds) % STOPPED_FRAMES
        if second not in self._frames:
            self._frames[second] = self.simulation.frame(float(second)).jpeg()
        self.shown = second
        return self._frames[second]

    async def pass_time(self, clock: FastClock) -> None:
        """Let print time pass with the clock, for ever."""
        last = clock.monotonic()
        while True:
            await asyncio.sleep(0.05)
            now = clock.monotonic()
            if self.moving:
                self.seconds += now - last
            last = now


@dataclass
class Watched:
    """What the watcher saw and did. `looks`: seconds of print, quality, score, warning, pause."""

    clock: FastClock
    filmed: Filmed
    journal: Path
    looks: list[tuple[float, int, int, bool, bool]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    watchers: list[PrintWatcher] = field(default_factory=list)

    def entries(self, what: str) -> list[dict[str, Any]]:
        if not self.journal.exists():
            return []
        lines = [json.loads(line) for line in self.journal.read_text().splitlines()]
        return [line for line in lines if line["what"] == what]

    async def until(self, true: Callable[[], bool], print_seconds: float) -> bool:
        """Wait until it is so, for so long of the print's time; whether it became so."""
        end = self.filmed.seconds + print_seconds
        while self.filmed.seconds < end:
            if true():
                return True
            await asyncio.sleep(0.05)
        return true()


@asynccontextmanager
async def watching(
    folder: Path, server: tuple[str, str], printer: dict[str, Any], filmed: Filmed, speed: float
) -> AsyncIterator[Watched]:
    """The watcher at work on one printer, whose camera films `filmed`."""
    clock = FastClock(speed)
    seen = Watched(clock, filmed, folder / f"actions-{time.monotonic_ns()}.jsonl")

    async def shot(request: Request) -> Response:
        picture = await asyncio.get_running_loop().run_in_executor(None, filmed.picture)
        return Response(picture, media_type="image/jpeg")

    async def hook(request: Request) -> Response:
        seen.events.append(await request.json())
        return JSONResponse({})

    def looked(watcher: PrintWatcher, look: Look) -> None:
        if look.inspection is not None:
            i = look.inspection
            verdict = (i.print_quality, i.score, i.warning_suggested, i.pause_suggested)
            seen.looks.append((round(filmed.seconds, 1), *verdict))
        else:
            print("  trouble:", look.trouble)

    async with serving(
        Starlette(routes=[Route("/shot", shot), Route("/hook", hook, methods=["POST"])])
    ) as here:
        settings = read(
            {
                "server": server[0],
                "key": server[1],
                "pace": "quick",
                "log": str(seen.journal),
                "printer": [{**printer, "camera": {"url": f"{here}/shot"}}],
                "notify": {"webhook": [{"url": f"{here}/hook"}]},
            },
            folder,
        )
        tasks = [
            asyncio.ensure_future(filmed.pass_time(clock)),
            asyncio.ensure_future(
                supervisor.watch(
                    settings,
                    assembly.open_remote(settings, clock),
                    on_look=looked,
                    on_ready=seen.watchers.extend,
                )
            ),
        ]
        try:
            yield seen
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Report:
    """What was shown and what was not, a line each; the exit code at the end."""

    def __init__(self) -> None:
        self.bad = 0

    def line(self, good: bool, what: str) -> None:
        """One more result."""
        self.bad += not good
        print(f"{'✓' if good else '✗'} {what}", flush=True)
