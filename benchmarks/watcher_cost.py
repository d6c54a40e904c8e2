"""What a watcher of 20 printers costs: memory, and its share of one core.

    python benchmarks/watcher_cost.py                     120 s, pictures every 40 s
    python benchmarks/watcher_cost.py --seconds 60 --interval 20 --json

The watcher runs as users run it, `layerwatch watch --config`, in a process of its own, in real time. The
printers, their cameras (1280x720 JPEG) and the Layerwatch server are stand-ins in this process, on real
sockets: 8 OctoPrint, 6 Moonraker, 3 PrusaLink and 3 Bambu Lab, all printing. The Bambus report once a second,
in full, as the chattiest models do. Counted is the watcher's process alone: processor time over wall time
after all printers are followed, and the largest resident memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import trustme
from rich.console import Console
from rich.table import Table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from vision import made_up_picture

sys.path.insert(0, str(Path(__file__).parent.parent))  # the stand-ins live with the SDK's tests

from watcher.tests.stand_ins import octoprint, prusalink
from watcher.tests.stand_ins.bambu import CODE, SERIAL, BambuPrinter, bambu_printer
from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.moonraker import moonraker_app
from watcher.tests.stand_ins.serve import serving

MIX = {"octoprint": 8, "moonraker": 6, "prusalink": 3, "bambu": 3}
SETTLE_SECONDS = 15.0


class Site:
    """A Layerwatch server and every camera, as far as the watcher can tell."""

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.inspections = 0
        self.picture = made_up_picture(1)
        self.url = ""

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/cam", self._camera),
                Route("/api/gadget/v1/createcontext", self._open, methods=["POST"]),
                Route("/api/gadget/v1/process/{context}", self._process, methods=["POST"]),
            ]
        )

    async def _camera(self, request: Request) -> Response:
        return Response(self.picture, media_type="image/jpeg")

    async def _open(self, request: Request) -> Response:
        url = f"{self.url}/api/gadget/v1/process/a"
        return JSONResponse({"ContextId": "a", "ProcessRequestUrl": url, "FallbackProcessRequestUrl": url})

    async def _process(self, request: Request) -> Response:
        async for _ in request.stream():
            pass
        self.inspections += 1
        return JSONResponse(
            {
                "NextProcessIntervalSec": self.interval,
                "PrintQuality": 9,
                "WarningSuggested": False,
                "PauseSuggested": False,
                "Score": 4,
            }
        )


async def farm(stack: AsyncExitStack) -> tuple[list[dict[str, Any]], list[Machine], list[BambuPrinter]]:
    """The printers, printing; their tables for the configuration."""
    import ssl

    tables: list[dict[str, Any]] = []
    machines: list[Machine] = []
    bambus: list[BambuPrinter] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("printer.test").configure_cert(tls)
    for kind, count in MIX.items():
        for number in range(count):
            machine = Machine()
            machines.append(machine)
            table: dict[str, Any] = {"name": f"{kind} {number}", "kind": kind}
            if kind == "octoprint":
                table["url"] = await stack.enter_async_context(serving(octoprint.octoprint_app(machine)))
                table["key"] = octoprint.KEY
            elif kind == "moonraker":
                table["url"] = await stack.enter_async_context(serving(moonraker_app(machine)))
            elif kind == "prusalink":
                table["url"] = await stack.enter_async_context(serving(prusalink.prusalink_app(machine)))
                table["password"] = prusalink.PASSWORD
            else:
                bambu = BambuPrinter(machine, deltas=False)
                bambus.append(bambu)
                port = await stack.enter_async_context(bambu_printer(bambu, tls))
                table.update(host="127.0.0.1", port=port, serial=SERIAL, code=CODE)
            tables.append(table)
            machine.start()
            machine.print_on(60, 0.1)
    return tables, machines, bambus


async def report(bambus: list[BambuPrinter]) -> None:
    """Once a second, in full, forever."""
    while True:
        await asyncio.sleep(1)
        for bambu in bambus:
            await bambu.report(full=True)


def toml(tables: list[dict[str, Any]], url: str) -> str:
    lines = [f'server = "{url}"', 'key = "prod_benchmark"']
    for table in tables:
        lines.append("[[printer]]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in table.items()]
        lines.append(f'camera = {{ url = "{url}/cam" }}')
    return "\n".join(lines)


async def measure(seconds: float, interval: int) -> dict[str, Any]:
    site = Site(interval)
    async with AsyncExitStack() as stack:
        site.url = await stack.enter_async_context(serving(site.app()))
        tables, _, bambus = await farm(stack)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = folder / "watch.toml"
        config.write_text(toml(tables, site.url))
        reporting = asyncio.ensure_future(report(bambus))
        log = stack.enter_context((folder / "log").open("w"))
        command = [sys.executable, "-m", "layerwatch", "watch", "--config", str(config)]
        watcher = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            while site.inspections < len(tables):
                await asyncio.sleep(0.2)
                if watcher.returncode is not None:
                    raise SystemExit((folder / "log").read_text())
            await asyncio.sleep(SETTLE_SECONDS)
            process = psutil.Process(watcher.pid)
            loop = asyncio.get_running_loop()
            before, began, seen = process.cpu_times(), loop.time(), site.inspections
            largest = 0
            while loop.time() - began < seconds:
                await asyncio.sleep(1)
                largest = max(largest, process.memory_info().rss)
            after, lasted = process.cpu_times(), loop.time() - began
            threads = process.num_threads()
        finally:
            watcher.terminate()
            await watcher.wait()
            reporting.cancel()
        used = after.user + after.system - before.user - before.system
        return {
            "printers": len(tables),
            "seconds": round(lasted, 1),
            "inspections": site.inspections - seen,
            "memory_mb": round(largest / 1e6, 1),
            "core_percent": round(100 * used / lasted, 2),
            "threads": threads,
            "exit_code": watcher.returncode,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description="What a watcher of 20 printers costs.")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long to measure")
    parser.add_argument("--interval", type=int, default=40, help="seconds between two pictures of a printer")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = asyncio.run(measure(options.seconds, options.interval))
    if options.json:
        print(json.dumps(result))
        return
    table = Table("what", "figure", title="A watcher of 20 printers")
    for name, value in result.items():
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)


if __name__ == "__main__":
    main()
