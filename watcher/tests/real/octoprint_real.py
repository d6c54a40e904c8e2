"""The watcher against the real OctoPrint and its virtual printer.

`python -m watcher.tests.real.octoprint_real`.

OctoPrint is looked for in $OCTOPRINT (its `octoprint` program), else on PATH. To get it:

    python -m venv /tmp/octoprint && /tmp/octoprint/bin/pip install "OctoPrint==1.11.*"
    OCTOPRINT=/tmp/octoprint/bin/octoprint python -m watcher.tests.real.octoprint_real

The print is simulated, as a camera would see it; OctoPrint, the Layerwatch server with its detector and its
temporal model, the SDK and the watcher are the real ones, on a clock that runs fast. No network is needed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
from watcher.tests.real.scene import Filmed, Report, free_port, layerwatch_server, stop, wait_for, watching

from layerwatch.simulator import Simulation
from layerwatch_sdk.clock import AsyncSystemClock
from layerwatch_watcher.cameras.finders import octoprint_camera
from layerwatch_watcher.printers.base import PrinterError, PrinterState
from layerwatch_watcher.printers.octoprint import OctoPrint
from layerwatch_watcher.watching import actions

ONSET = 240.0
SEED = 21  # each scene is a printer of its own: a server remembers what a person accepted on one
"""A print whose spaghetti grows as it does: nothing to see at first, half grown after about four minutes."""
GCODE_LINES = 200_000

CONFIG = """
accessControl: {{salt: {salt}}}
api: {{key: {key}}}
server:
  firstRun: false
  onlineCheck: {{enabled: false}}
  pluginBlacklist: {{enabled: false}}
  seenWizards: {{corewizard: 4, classicwebcam: 1, backup: null, tracking: null, file_check: null}}
plugins:
  virtual_printer: {{enabled: true, throttle: 0.01}}
  _disabled: [tracking, announcements, softwareupdate, pluginmanager, discovery, errortracking]
serial: {{port: VIRTUAL, autoconnect: true}}
"""


class RealOctoPrint:
    """OctoPrint as its own process, in a folder of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self.key = secrets.token_hex(16).upper()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._headers = {"X-Api-Key": self.key}
        (folder / "config.yaml").write_text(CONFIG.format(key=self.key, salt=secrets.token_hex(16)))
        self._log = (folder / "run.log").open("w")
        self._process = subprocess.Popen(
            [
                *[program, "--basedir", str(folder), "serve", "--iknowwhatimdoing"],
                *["--host", "127.0.0.1", "--port", str(port)],
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        wait_for(lambda: self.state() == "Operational", 120)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = httpx.request(method, self.url + path, headers=self._headers, timeout=20, **options)
        answer.raise_for_status()
        return answer

    def state(self) -> str:
        return str(self.call("GET", "/api/job").json()["state"])

    def set_webcam(self, snapshot: str) -> None:
        webcam = {"snapshot": snapshot, "stream": "", "flipV": True}
        self.call("POST", "/api/settings", json={"plugins": {"classicwebcam": webcam}})

    def start_print(self, name: str) -> None:
        gcode = "M104 S0\nG28\n" + "".join(
            f"G1 X{n % 200} Y{n % 180} E{n / 100}\n" for n in range(GCODE_LINES)
        )
        self.call("POST", "/api/files/local", files={"file": (name, gcode)}, data={"print": "true"})
        wait_for(lambda: self.state() == "Printing", 60)

    def resume(self) -> None:
        self.call("POST", "/api/job", json={"command": "pause", "action": "resume"})
        wait_for(lambda: self.state() == "Printing", 30)

    def cancel(self) -> None:
        self.call("POST", "/api/job", json={"command": "cancel"})
        wait_for(lambda: self.state() == "Operational", 60)

    def close(self) -> None:
        stop(self._process)
        self._log.close()


async def becomes(octo: RealOctoPrint, wanted: str) -> bool:
    """Whether OctoPrint's state becomes `wanted` within a minute; it is "Pausing" for a moment first."""
    for _ in range(120):
        if await asyncio.to_thread(octo.state) == wanted:
            return True
        await asyncio.sleep(0.5)
    return False


async def protocol(octo: RealOctoPrint, report: Report) -> None:
    """Our OctoPrint client against the real one, command by command."""
    wrong = OctoPrint(octo.url, "WRONG")
    try:
        await wrong.status()
        report.line(False, "a wrong key is refused")
    except PrinterError as error:
        report.line("refuses the login" in str(error), f"a wrong key is reported: {error}")
    await wrong.close()

    printer = OctoPrint(octo.url, octo.key)
    report.line((await printer.status()).state is PrinterState.IDLE, "an idle printer is idle")
    await asyncio.to_thread(octo.start_print, "protocol.gcode")
    status = await printer.status()
    report.line(
        status.state is PrinterState.PRINTING and status.file == "protocol.gcode",
        f"a print is seen: {status}",
    )
    await printer.pause()
    await becomes(octo, "Paused")
    report.line((await printer.status()).state is PrinterState.PAUSED, "pause pauses")
    await printer.pause()
    await asyncio.sleep(1)
    report.line((await printer.status()).state is PrinterState.PAUSED, "pausing twice leaves it paused")
    await printer.resume()
    await becomes(octo, "Printing")
    report.line((await printer.status()).state is PrinterState.PRINTING, "resume goes on")
    await printer.gcode(["M117 Layerwatch"])
    report.line(True, "G-code is taken")
    await printer.check_control()
    report.line(True, "its key may pause")
    await printer.gcode(["M104 T0 S50", "M140 S40"])
    await asyncio.sleep(3)
    set_to = await printer.heater_targets()
    targets = await actions.heaters_off(printer, AsyncSystemClock())
    report.line(
        any(set_to.values()) and targets is not None and not any(targets.values()),
        f"every heater is off: {set_to} became {targets}",
    )
    await printer.cancel()
    await asyncio.sleep(3)
    state = (await printer.status()).state
    report.line(state in (PrinterState.CANCELLED, PrinterState.IDLE), f"cancel ends it ({state.value})")
    try:
        await printer.pause()
        report.line(False, "pausing without a print is reported")
    except PrinterError as error:
        report.line(True, f"pausing without a print is reported: {error}")

    async def shot(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        picture = Simulation(11, None, duration=60, nuisance=False).frame(1.0).jpeg()
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + picture)
        await writer.drain()
        writer.close()

    webcam = await asyncio.start_server(shot, "127.0.0.1", 0)
    port = webcam.sockets[0].getsockname()[1]
    await asyncio.to_thread(octo.set_webcam, f"http://127.0.0.1:{port}/shot.jpg")
    picture = await octoprint_camera(printer).snapshot()
    report.line(b"Exif" in picture[:64], "its webcam is found, and flipped as it is set there")
    webcam.close()
    await printer.close()


async def failing(
    octo: RealOctoPrint, server: tuple[str, str], folder: Path, speed: float, report: Report
) -> None:
    """A print that turns into spaghetti is paused once, and stays resumed after the user goes on."""
    filmed = Filmed(Simulation(SEED, "spaghetti", duration=3600, nuisance=False, onset=ONSET))
    await asyncio.to_thread(filmed.render_until, ONSET + 240)
    printer = {"name": "octo, failing", "kind": "octoprint", "url": octo.url, "key": octo.key}
    await asyncio.to_thread(octo.start_print, "failing.gcode")
    async with watching(folder, server, printer, filmed, speed) as seen:
        filmed.moving = True
        paused = await seen.until(lambda: bool(seen.entries("pause")), ONSET + 600)
        at = filmed.seconds
        filmed.moving = False
        filmed.stopped_at = filmed.shown  # what the user sees and resumes; growth beyond it is a new alarm
        plain = filmed.plain()
        better = max((t for t, quality, *_ in seen.looks if t < at and quality > 3), default=0.0)
        fell = next((t for t, quality, *_ in seen.looks if t > better and quality <= 3), None)
        report.line(
            paused and await becomes(octo, "Paused"),
            f"OctoPrint is paused, {at - ONSET:.0f} s after the first strand, "
            f"{at - plain:.0f} s after the failure is half grown",
        )
        report.line(paused and at - plain <= 120, "within 120 s of its being plain to see")
        report.line(
            fell is not None and at - fell <= 120,
            f"within 120 s of quality 1-3 that stays ({'never' if fell is None else f'{at - fell:.0f} s'})",
        )
        if not paused:
            await asyncio.to_thread(octo.cancel)
            return
        await asyncio.to_thread(octo.resume)
        filmed.moving = True
        resumed = await seen.until(lambda: bool(seen.entries("resumed")), 120)
        report.line(resumed, "the watcher sees that somebody went on")
        await seen.until(lambda: False, 600)
        report.line(octo.state() == "Printing", "10 minutes later it still prints")
        report.line(len(seen.entries("pause")) == 1, f"it was paused {len(seen.entries('pause'))} time(s)")
        events = [event["event"] for event in seen.events]
        report.line(events.count("paused") == 1, f"the webhook received: {', '.join(events)}")
        report.line(
            any(event["picture"] for event in seen.events if event["event"] == "paused"), "with the picture"
        )
        for look in seen.looks:
            print("   ", *look)
    await asyncio.to_thread(octo.cancel)


async def false_alarm(
    octo: RealOctoPrint, server: tuple[str, str], folder: Path, speed: float, report: Report
) -> None:
    """After "false alarm" the same thing neither warns again nor pauses."""
    filmed = Filmed(Simulation(SEED, "spaghetti", duration=3600, nuisance=False, onset=ONSET))
    await asyncio.to_thread(filmed.render_until, ONSET + 240)
    printer = {"name": "octo, false alarm", "kind": "octoprint", "url": octo.url, "key": octo.key}
    await asyncio.to_thread(octo.start_print, "alarm.gcode")
    async with watching(folder, server, printer, filmed, speed) as seen:
        filmed.moving = True
        warnings = lambda: [event for event in seen.events if event["event"] == "warning"]  # noqa: E731
        warned = await seen.until(lambda: bool(warnings()), ONSET + 600)
        report.line(warned, "a warning comes")
        report.line(seen.watchers[0].feedback("false_alarm", "the test"), "the false alarm is taken")
        filmed.stopped_at = filmed.shown
        await seen.until(lambda: False, 600)
        report.line(
            len(warnings()) == 1 and not seen.entries("pause"), "10 minutes later: no repeat, no pause"
        )
        for look in seen.looks:
            if look[0] >= filmed.stopped_at - 120:
                print("   ", *look)
    await asyncio.to_thread(octo.cancel)


async def healthy(
    octo: RealOctoPrint, server: tuple[str, str], folder: Path, speed: float, report: Report
) -> None:
    """A healthy print is never touched, and its end is seen."""
    filmed = Filmed(Simulation(11, None, duration=3600, nuisance=False))
    printer = {"name": "octo, healthy", "kind": "octoprint", "url": octo.url, "key": octo.key}
    await asyncio.to_thread(octo.start_print, "healthy.gcode")
    async with watching(folder, server, printer, filmed, speed) as seen:
        filmed.moving = True
        await seen.until(lambda: False, 1200)
        report.line(octo.state() == "Printing", "20 minutes of a healthy print is not paused")
        report.line(not [e for e in seen.events if e["event"] != "print_started"], "and nobody was disturbed")
        await asyncio.to_thread(octo.cancel)
        await asyncio.sleep(10 / speed + 2)
        ended = seen.entries("print cancelled") or seen.entries("print ended")
        report.line(bool(ended), "its end is seen")


async def run(octo: RealOctoPrint, server: tuple[str, str], folder: Path, speed: float) -> int:
    report = Report()
    for part in (failing, false_alarm, healthy):
        print(f"{part.__doc__}", flush=True)
        await part(octo, server, folder, speed, report)
    print("Our client against the real OctoPrint, command by command.")
    await protocol(octo, report)
    return 1 if report.bad else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--speed", type=float, default=10.0, help="how many times faster the clock runs")
    options = parser.parse_args()
    program = os.environ.get("OCTOPRINT") or shutil.which("octoprint")
    if not program:
        print(__doc__)
        return 2
    with tempfile.TemporaryDirectory(prefix="layerwatch-octoprint-") as name:
        folder = Path(name)
        (folder / "octo").mkdir()
        (folder / "server").mkdir()
        octo = RealOctoPrint(program, folder / "octo")
        try:
            with layerwatch_server(folder / "server", options.speed) as server:
                return asyncio.run(run(octo, server, folder, options.speed))
        finally:
            octo.close()


if __name__ == "__main__":
    sys.exit(main())
