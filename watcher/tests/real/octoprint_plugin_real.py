"""The OctoPrint plugin in the real OctoPrint: `python -m watcher.tests.real.octoprint_plugin_real`.

$OCTOPRINT names an `octoprint` program in whose environment the plugin is installed:

    /tmp/octoprint/bin/pip install ./sdk ./deploy/octoprint-layerwatch

The Layerwatch server is a stand-in that suggests a pause from the third picture on.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from watcher.tests.real.octoprint_real import RealOctoPrint, becomes
from watcher.tests.real.scene import Report
from watcher.tests.stand_ins.serve import serving

from layerwatch.simulator import Simulation

SECONDS = 60


class Service:
    """A webcam, and a server that fails every print from its third picture on."""

    def __init__(self) -> None:
        self.pictures = 0
        self.received: list[str] = []
        self.url = ""
        self.jpeg = Simulation(11, None, duration=60, nuisance=False).frame(1.0).jpeg()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/shot", self.shot),
                Route("/api/gadget/v1/createcontext", self.open, methods=["POST"]),
                Route("/api/gadget/v1/process/a", self.process, methods=["POST"]),
                Route("/api/gadget/v1/feedback/a", self.feedback, methods=["POST"]),
            ]
        )

    async def shot(self, request: Request) -> Response:
        return Response(self.jpeg, media_type="image/jpeg")

    async def open(self, request: Request) -> Response:
        url = f"{self.url}/api/gadget/v1/process/a"
        return JSONResponse({"ContextId": "a", "ProcessRequestUrl": url, "FallbackProcessRequestUrl": url})

    async def process(self, request: Request) -> Response:
        body = await request.body()
        assert b"\xff\xd8\xff" in body
        self.pictures += 1
        failed = self.pictures >= 3
        return JSONResponse(
            {
                "NextProcessIntervalSec": 2,
                "PrintQuality": 1 if failed else 9,
                "WarningSuggested": failed,
                "PauseSuggested": failed,
                "Score": 97 if failed else 4,
            }
        )

    async def feedback(self, request: Request) -> Response:
        self.received.append((await request.json())["Kind"])
        return JSONResponse({})


async def run(octo: RealOctoPrint) -> int:
    report = Report()
    service = Service()
    async with serving(service.app()) as url:
        service.url = url

        def configure() -> None:
            plugins: dict[str, Any] = {
                "classicwebcam": {"snapshot": f"{url}/shot", "stream": ""},
                "layerwatch": {"server": url, "key": "prod_test", "pause": True},
            }
            octo.call("POST", "/api/settings", json={"plugins": plugins})

        await asyncio.to_thread(configure)
        kept = (await asyncio.to_thread(octo.call, "GET", "/api/settings")).json()["plugins"]["layerwatch"]
        report.line(kept["server"] == url and kept["pause_level"] == 3, "its settings are taken and kept")
        page = (await asyncio.to_thread(octo.call, "GET", "/")).text
        for field in ("layerwatch-server", "layerwatch-key", "layerwatch-level"):
            report.line(f'id="{field}"' in page, f"its settings page has {field}")
        await asyncio.to_thread(octo.start_print, "plugin.gcode")
        report.line(
            await becomes(octo, "Paused"), f"the plugin pauses the print after {service.pictures} pictures"
        )
        await asyncio.to_thread(octo.resume)
        before = service.pictures
        for _ in range(SECONDS * 2):
            if service.pictures >= before + 5:
                break
            await asyncio.sleep(0.5)
        state = await asyncio.to_thread(octo.state)
        report.line(
            service.pictures >= before + 5 and state == "Printing",
            f"after resume it still prints, {service.pictures - before} pictures later",
        )
        report.line(service.received == ["resumed"], f"feedback received: {service.received}")
        await asyncio.to_thread(octo.cancel)
        await asyncio.sleep(3)
        before = service.pictures
        await asyncio.sleep(6)
        report.line(service.pictures == before, "after the print no picture is taken")
    return 1 if report.bad else 0


def main() -> int:
    program = os.environ.get("OCTOPRINT")
    if not program:
        print(__doc__)
        return 2
    with tempfile.TemporaryDirectory(prefix="layerwatch-plugin-") as name:
        octo = RealOctoPrint(program, Path(name))
        try:
            return asyncio.run(run(octo))
        finally:
            octo.close()
            log = (Path(name) / "run.log").read_text(errors="replace")
            print("\n".join(line for line in log.splitlines() if "layerwatch" in line.lower())[-2500:])


if __name__ == "__main__":
    sys.exit(main())
