"""One watcher, a real server and four printers on real sockets, on one clock that runs fast.

A second of the clock passes each time that the test's event loop has had a fiftieth of a real one, so that a
busy machine slows the clock too and changes no outcome.

The detector is a double that reads failure from the picture's red; the temporal model, the server, the
session, the printers' protocols and the watcher are the real ones.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from watcher.tests.stand_ins import octoprint, prusalink
from watcher.tests.stand_ins.bambu import CODE, SERIAL, BambuPrinter, bambu_printer
from watcher.tests.stand_ins.clock import VirtualClock
from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.moonraker import moonraker_app
from watcher.tests.stand_ins.serve import serving

from layerwatch.config import load
from layerwatch_watcher.watching import assembly, supervisor
from layerwatch_watcher.watching.print_session import Look
from layerwatch_watcher.watching.print_watcher import PrintWatcher
from layerwatch_watcher.watching.settings import read
from tests.support.clocks import ManualClock
from tests.support.prints import frame
from tests.support.servers import running

REAL_SECONDS = 0.02
"""How long a second of the clock lasts, at least."""
ONSET = 80.0
"""Seconds of print after which the failing ones fail."""
FRAMES = {failed: [frame(0.97 if failed else 0.02, n) for n in range(7)] for failed in (False, True)}
"""A block wanders through seven pictures, so that none is the same as the one before."""


@dataclass
class Print:
    """One printer's print: whether it fails; when its quality fell to 1-3 and it paused, in print seconds."""

    machine: Machine
    fails: bool
    paused_at: Optional[float] = None
    fell_at: Optional[float] = None
    pictures: int = 0


@dataclass
class Farm:
    """Four printers, three of which fail, and the webhook deliveries."""

    prints: dict[str, Print]
    delivered: list[dict[str, Any]] = field(default_factory=list)
    watchers: list[PrintWatcher] = field(default_factory=list)
    journal: Path = Path()
    clock: VirtualClock = field(default_factory=VirtualClock)

    def watcher(self, name: str) -> PrintWatcher:
        return next(watcher for watcher in self.watchers if watcher.name == name)

    def entries(self, name: str, what: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.journal.read_text().splitlines()]
        return [line for line in lines if line["printer"] == name and line["what"] == what]


@asynccontextmanager
async def farm(tmp_path: Path, tls: Any) -> AsyncIterator[Farm]:
    server_clock = ManualClock()
    made = Farm({name: Print(Machine(), name != "healthy") for name in ("octo", "voron", "p1s", "healthy")})
    made.journal = tmp_path / "actions.jsonl"

    async def picture(request: Request) -> Response:
        one = made.prints[request.path_params["name"]]
        one.pictures += 1
        failed = one.fails and one.machine.elapsed >= ONSET
        return Response(FRAMES[failed][one.pictures % 7], media_type="image/jpeg")

    async def hook(request: Request) -> Response:
        made.delivered.append(await request.json())
        return JSONResponse({})

    async def pass_time() -> None:
        while True:
            await asyncio.sleep(REAL_SECONDS)
            for one in made.prints.values():
                if one.machine.state == "printing":
                    one.machine.print_on(one.machine.elapsed + 1, min(0.99, one.machine.elapsed / 3600))
                elif one.machine.state == "paused" and one.paused_at is None:
                    one.paused_at = one.machine.elapsed
            server_clock.advance(1)
            await made.clock.advance(1)

    async with AsyncExitStack() as stack:
        site = [Route("/cam/{name}", picture), Route("/hook", hook, methods=["POST"])]
        cameras = await stack.enter_async_context(serving(Starlette(routes=site)))
        machines = {name: one.machine for name, one in made.prints.items()}
        octo = await stack.enter_async_context(serving(octoprint.octoprint_app(machines["octo"])))
        voron = await stack.enter_async_context(serving(moonraker_app(machines["voron"])))
        mk4 = await stack.enter_async_context(serving(prusalink.prusalink_app(machines["healthy"])))
        port = await stack.enter_async_context(bambu_printer(BambuPrinter(machines["p1s"]), tls))
        settings = load(data_dir=tmp_path, log_level="error")
        server = stack.enter_context(running(settings, clock=server_clock))
        printers = [
            {"name": "octo", "kind": "octoprint", "url": octo, "key": octoprint.KEY, "pause_level": 1},
            {"name": "voron", "kind": "moonraker", "url": voron},
            {
                "name": "p1s",
                "kind": "bambu",
                "host": "127.0.0.1",
                "port": port,
                "serial": SERIAL,
                "code": CODE,
            },
            {"name": "healthy", "kind": "prusalink", "url": mk4, "password": prusalink.PASSWORD},
        ]
        config = read(
            {
                "server": server.url,
                "key": server.new_key(),
                "pace": "quick",
                "log": str(made.journal),
                "printer": [{**p, "camera": {"url": f"{cameras}/cam/{p['name']}"}} for p in printers],
                "notify": {"webhook": [{"url": f"{cameras}/hook", "secret": "s"}]},
            },
            tmp_path,
        )

        def seen(watcher: PrintWatcher, look: Look) -> None:
            one = made.prints[watcher.name]
            if look.inspection is not None and look.inspection.print_quality <= 3 and one.fell_at is None:
                one.fell_at = one.machine.elapsed

        watching = supervisor.watch(
            config, assembly.open_remote(config, made.clock), on_look=seen, on_ready=made.watchers.extend
        )
        for one in made.prints.values():
            one.machine.start()
            one.machine.print_on(0.5, 0.0)
        tasks = [
            asyncio.ensure_future(pass_time()),
            asyncio.ensure_future(watching),
        ]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def until(f: Farm, true: Callable[[], bool], seconds: float) -> None:
    """Wait until the condition holds, for at most `seconds` of the virtual clock."""
    deadline = f.clock.monotonic() + seconds
    while not true():
        assert f.clock.monotonic() < deadline
        await asyncio.sleep(REAL_SECONDS / 2)


@pytest.mark.timeout(120)
async def test_failing_prints_are_paused_once_and_healthy_ones_never(tmp_path: Path, tls: Any) -> None:
    async with farm(tmp_path, tls.server) as f:
        failing = {name: one for name, one in f.prints.items() if one.fails}
        await until(f, lambda: all(one.paused_at is not None for one in failing.values()), ONSET + 240)
        for name, one in failing.items():
            assert one.paused_at is not None and one.fell_at is not None and one.fell_at > ONSET
            assert one.paused_at <= one.fell_at + 120, (name, one)
            assert one.machine.commands == ["pause"]
        quickest = f.prints["octo"]
        assert quickest.paused_at is not None and quickest.paused_at <= ONSET + 120, "at pause level 1"
        assert f.prints["healthy"].machine.commands == []
        await until(f, lambda: sum(t["event"] == "paused" for t in f.delivered) == 3, 120)
        assert all(event["picture"] for event in f.delivered if event["event"] == "paused")

        # Somebody looks, and goes on with the print as it is: it is not paused again for the same thing.
        for one in failing.values():
            one.machine.resume()
        await until(f, lambda: all(f.entries(name, "resumed") for name in failing), 60)
        seen = {name: one.pictures for name, one in failing.items()}
        await until(f, lambda: all(one.pictures >= seen[name] + 6 for name, one in failing.items()), 900)
        for name, one in failing.items():
            assert one.machine.state == "printing", name
            assert one.machine.commands == ["pause", "resume"]
        assert f.prints["healthy"].machine.commands == []


@pytest.mark.timeout(120)
async def test_a_false_alarm_stops_repeats(tmp_path: Path, tls: Any) -> None:
    async with farm(tmp_path, tls.server) as f:
        failing = [name for name, one in f.prints.items() if one.fails]
        warned = lambda name: [t for t in f.delivered if t["printer"] == name and t["event"] == "warning"]  # noqa: E731
        await until(f, lambda: bool(warned("voron")), ONSET + 240)
        for name in failing:
            f.watcher(name).feedback("false_alarm", "anna")
        seen = f.prints["voron"].pictures
        await until(f, lambda: f.prints["voron"].pictures >= seen + 6, 900)
        assert len(warned("voron")) == 1
        assert f.prints["voron"].machine.commands == []
