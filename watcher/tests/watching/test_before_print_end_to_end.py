"""A print with something on its bed is held: real server, OctoPrint and Moonraker protocols, real sockets."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from watcher.tests.stand_ins import octoprint
from watcher.tests.stand_ins.clock import VirtualClock
from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.moonraker import moonraker_app
from watcher.tests.stand_ins.serve import serving

from layerwatch.config import load
from layerwatch_watcher.watching import assembly, check_all, supervisor
from layerwatch_watcher.watching.settings import WatcherSettings, read
from tests.support.fake_detector import picture
from tests.support.servers import running

REAL_SECONDS = 0.02
EVENTS = ("bed_not_clear", "bed_not_checked", "resumed")


def bed(*, clear: bool) -> bytes:
    """A bed, or the same one with a part on it that covers 3 % of the picture."""
    with Image.open(io.BytesIO(picture())) as image:
        pixels = np.array(image)
    if not clear:
        pixels[100:148, 120:168] = (200, 60, 200)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()


@dataclass
class Farm:
    """Two printers, whether their beds are clear, and the webhook's deliveries."""

    machines: dict[str, Machine]
    clear: dict[str, bool]
    settings: Callable[[], WatcherSettings]
    """Read anew each time, as by each process."""
    clock: VirtualClock = field(default_factory=VirtualClock)
    delivered: list[dict[str, Any]] = field(default_factory=list)

    @asynccontextmanager
    async def watched(self, state: Path) -> AsyncIterator[None]:
        settings = self.settings()
        judge = assembly.open_remote(settings, self.clock)
        task = asyncio.ensure_future(supervisor.watch(settings, judge, state=state))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, true: Callable[[], bool], seconds: float = 300) -> None:
        """Let the clock run until the condition holds, for at most `seconds` of it."""
        deadline = self.clock.monotonic() + seconds
        while not true():
            assert self.clock.monotonic() < deadline
            await asyncio.sleep(REAL_SECONDS)
            await self.clock.advance(1)

    def events(self, printer: str) -> list[str]:
        return [one["event"] for one in self.delivered if one["printer"] == printer]


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Farm]:
    machines = {"octo": Machine(), "voron": Machine()}
    clear = dict.fromkeys(machines, True)
    delivered: list[dict[str, Any]] = []

    async def shot(request: Request) -> Response:
        return Response(bed(clear=clear[request.path_params["name"]]), media_type="image/jpeg")

    async def hook(request: Request) -> Response:
        delivered.append(await request.json())
        return JSONResponse({})

    async with AsyncExitStack() as stack:
        site = [Route("/cam/{name}", shot), Route("/hook", hook, methods=["POST"])]
        cameras = await stack.enter_async_context(serving(Starlette(routes=site)))
        octo = await stack.enter_async_context(serving(octoprint.octoprint_app(machines["octo"])))
        voron = await stack.enter_async_context(serving(moonraker_app(machines["voron"])))
        server = stack.enter_context(running(load(data_dir=tmp_path, log_level="error")))
        printers: list[dict[str, Any]] = [
            {"name": "octo", "kind": "octoprint", "url": octo, "key": octoprint.KEY},
            {"name": "voron", "kind": "moonraker", "url": voron},
        ]
        values = {
            "server": server.url,
            "key": server.new_key(),
            "remote": False,
            "before_print": "require clear bed",
            "printer": [{**one, "camera": {"url": f"{cameras}/cam/{one['name']}"}} for one in printers],
            "notify": {"webhook": [{"url": f"{cameras}/hook", "events": list(EVENTS)}]},
        }
        yield Farm(machines, clear, lambda: read(values, tmp_path), delivered=delivered)


@pytest.mark.timeout(120)
async def test_it_waits_until_the_bed_is_cleared_over_a_restart_too(farm: Farm, tmp_path: Path) -> None:
    settings = farm.settings()
    taught = check_all.teach_beds(settings, ["octo", "voron"], lambda: assembly.open_remote(settings))
    findings = [one async for one in taught]
    assert [one.ok for one in findings] == [True, True], findings
    farm.clear["octo"] = farm.clear["voron"] = False
    async with farm.watched(tmp_path):
        for machine in farm.machines.values():
            machine.start()
        await farm.until(lambda: all(one.state == "paused" for one in farm.machines.values()))
        await farm.until(lambda: all("bed_not_clear" in farm.events(name) for name in farm.machines))
    assert all(one["picture"] for one in farm.delivered if one["event"] == "bed_not_clear")

    async with farm.watched(tmp_path):  # nobody has cleared it: they resume it as it is
        for machine in farm.machines.values():
            machine.resume()
            machine.state = "heating"
        await farm.until(lambda: all("resumed" in farm.events(name) for name in farm.machines))
        since = farm.clock.monotonic()
        await farm.until(lambda: farm.clock.monotonic() > since + 60)
    for name, machine in farm.machines.items():
        assert machine.commands == ["pause", "resume"], name
        assert farm.events(name).count("bed_not_clear") == 1


@pytest.mark.timeout(120)
async def test_a_bed_that_nobody_has_shown_holds_nothing(farm: Farm, tmp_path: Path) -> None:
    farm.clear["octo"] = False
    async with farm.watched(tmp_path):
        farm.machines["octo"].start()
        await farm.until(lambda: "bed_not_checked" in farm.events("octo"))
    assert farm.machines["octo"].commands == []
    (event,) = [one for one in farm.delivered if one["event"] == "bed_not_checked"]
    assert "empty bed is not known" in event["text"]
