"""Our Moonraker clients against the real Moonraker: `python -m watcher.tests.real.moonraker_real`.

Moonraker is real, Klipper behind it is a stand-in. Moonraker's Python is looked for in $MOONRAKER:

    python -m venv /tmp/moonraker && /tmp/moonraker/bin/pip install moonraker
    MOONRAKER=/tmp/moonraker/bin/python python -m watcher.tests.real.moonraker_real
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from watcher.tests.real.klippy import Klippy
from watcher.tests.real.scene import Report, free_port, stop
from watcher.tests.stand_ins.machine import Machine

from layerwatch_sdk.clock import AsyncSystemClock
from layerwatch_watcher.printers.base import Printer, PrinterError, PrinterState
from layerwatch_watcher.printers.moonraker import Moonraker
from layerwatch_watcher.printers.moonraker_socket import MoonrakerSocket
from layerwatch_watcher.watching import actions

MACRO_S = 16.0
"""How long a PAUSE macro takes that parks the head far away and retracts."""

CONFIG = """
[server]
host: 127.0.0.1
port: {port}
klippy_uds_address: {folder}/klippy.sock

[file_manager]
enable_object_processing: False

[machine]
provider: none
validate_service: False
validate_config: False

[authorization]
force_logins: {strict}
trusted_clients:
    {trusted}

[history]

[webcam nozzle]
location: printer
service: mjpegstreamer
stream_url: /webcam/?action=stream
snapshot_url: /webcam/?action=snapshot
rotation: 180
"""


async def settled(printer: Printer, wanted: PrinterState) -> bool:
    """Whether the status becomes `wanted` within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if (await printer.status()).state is wanted:
                return True
        except PrinterError as error:
            print("   ", error)
        await asyncio.sleep(0.1)
    return False


async def life(name: str, printer: Printer, machine: Machine, report: Report) -> None:
    """A print's life, as one of our clients sees it."""
    machine.commands.clear()
    report.line(await settled(printer, PrinterState.IDLE), f"{name}: idle")
    machine.start("vase.gcode")
    report.line(
        await settled(printer, PrinterState.PREPARING), f"{name}: heating is distinguished from printing"
    )
    machine.print_on(120, 0.25)
    report.line(await settled(printer, PrinterState.PRINTING), f"{name}: printing")
    first = await printer.status()
    report.line(first.file == "vase.gcode", f"{name}: {first}")
    await printer.pause()
    report.line(await settled(printer, PrinterState.PAUSED), f"{name}: pause pauses")
    await printer.pause()
    await printer.resume()
    report.line(await settled(printer, PrinterState.PRINTING), f"{name}: resume goes on")
    machine.run_out()
    report.line(
        await settled(printer, PrinterState.ATTENTION), f"{name}: a runout is distinguished from a pause"
    )
    await printer.resume()
    await printer.gcode(["M117 Layerwatch"])
    report.line("M117 Layerwatch" in machine.commands, f"{name}: G-code is taken")
    machine.finish()
    report.line(await settled(printer, PrinterState.FINISHED), f"{name}: finished")
    machine.start("vase.gcode")
    machine.print_on(2, 0.0)
    await settled(printer, PrinterState.PRINTING)
    second = await printer.status()
    apart = (first.job is not None and first.job != second.job) or (second.elapsed or 0) < (
        first.elapsed or 0
    )
    report.line(apart, f"{name}: the next print of the same file is another one")
    await printer.cancel()
    report.line(await settled(printer, PrinterState.CANCELLED), f"{name}: cancel ends it")
    machine.state = "idle"
    machine.print_on(0, 0.0)
    machine.become("idle")


async def orders(name: str, printer: Printer, machine: Machine, klippy: Klippy, report: Report) -> None:
    """What was ordered is seen to be done: a pause whose macro takes its time, every heater off."""
    clock = AsyncSystemClock()
    await printer.check_control()
    report.line(True, f"{name}: it may be paused")
    machine.start("vase.gcode")
    machine.print_on(120, 0.25)
    await settled(printer, PrinterState.PRINTING)
    klippy.macro_s, began = MACRO_S, time.monotonic()
    status = await actions.pause(printer, printer.status, clock)
    took = time.monotonic() - began
    report.line(
        status.state is PrinterState.PAUSED and took < MACRO_S - 2,
        f"{name}: a pause whose macro takes {MACRO_S:.0f} s is seen after {took:.1f} s",
    )
    klippy.macro_s = 0.0
    machine.targets = {"extruder": 215.0, "extruder1": 230.0, "heater_bed": 60.0}
    targets = await actions.heaters_off(printer, clock)
    report.line(
        targets is not None and set(targets) == set(machine.targets) and not any(targets.values()),
        f"{name}: every heater is off: {targets}",
    )
    machine.stuck = True
    machine.print_on(130, 0.3)
    await settled(printer, PrinterState.PAUSED)
    await printer.pause()
    report.line(machine.state == "paused", f"{name}: it is paused in spite of a stuck flag")
    await printer.cancel()
    machine.become("idle")


class RealMoonraker:
    """Moonraker as its own process."""

    def __init__(self, python: str, folder: Path, *, strict: bool = False) -> None:
        for name in ("config", "logs", "gcodes", "database"):
            (folder / name).mkdir(exist_ok=True)
        trusted = "10.255.255.0/24" if strict else "127.0.0.1/32"
        port = free_port()
        config = CONFIG.format(port=port, folder=folder, trusted=trusted, strict=strict)
        (folder / "config" / "moonraker.conf").write_text(config)
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "run.log").open("w")
        self._process = subprocess.Popen(
            [python, "-m", "moonraker", "-d", str(folder), "-n"], stdout=self._log, stderr=subprocess.STDOUT
        )

    async def ready(self) -> None:
        deadline = time.monotonic() + 90
        async with httpx.AsyncClient() as client:
            while time.monotonic() < deadline:
                try:
                    answer = await client.get(f"{self.url}/server/info")
                    if answer.status_code == 401:
                        return
                    if answer.json()["result"]["klippy_state"] == "ready":
                        return
                except (httpx.HTTPError, ValueError, KeyError):
                    pass
                await asyncio.sleep(0.3)
        raise SystemExit("Moonraker did not come up in time")

    def close(self) -> None:
        stop(self._process)
        self._log.close()


async def run(python: str, folder: Path) -> int:
    report = Report()
    machine = Machine()
    klippy = Klippy(machine, folder)
    await klippy.start(folder / "klippy.sock")
    moonraker = RealMoonraker(python, folder)
    try:
        await moonraker.ready()
        for kind in (Moonraker, MoonrakerSocket):
            printer = kind(moonraker.url)
            await life(kind.__name__, printer, machine, report)
            await orders(kind.__name__, printer, machine, klippy, report)
            webcams = await printer.webcams()
            nozzle = [webcam for webcam in webcams if webcam.get("name") == "nozzle"]
            report.line(
                bool(nozzle) and nozzle[0]["rotation"] == 180, f"{kind.__name__}: its webcams are listed"
            )
            await printer.close()
        async with httpx.AsyncClient() as client:
            key = str((await client.get(f"{moonraker.url}/access/api_key")).json()["result"])
    finally:
        await asyncio.to_thread(moonraker.close)
    strict = RealMoonraker(python, folder, strict=True)
    try:
        await strict.ready()
        for kind in (Moonraker, MoonrakerSocket):
            printer = kind(strict.url)
            try:
                await printer.status()
                report.line(False, f"{kind.__name__}: a missing login is reported")
            except PrinterError as error:
                reported = "refuses the login" in str(error)
                report.line(reported, f"{kind.__name__}: a missing login is reported: {error}")
            await printer.close()
            printer = kind(strict.url, key)
            report.line(await settled(printer, PrinterState.IDLE), f"{kind.__name__}: its API key opens it")
            await printer.close()
    finally:
        await asyncio.to_thread(strict.close)
    await klippy.close()
    return 1 if report.bad else 0


def main() -> int:
    python = os.environ.get("MOONRAKER")
    if not python:
        print(__doc__)
        return 2
    with tempfile.TemporaryDirectory(prefix="layerwatch-moonraker-") as name:
        code = asyncio.run(run(python, Path(name)))
        if code:
            print((Path(name) / "run.log").read_text()[-3000:])
        return code


if __name__ == "__main__":
    sys.exit(main())
