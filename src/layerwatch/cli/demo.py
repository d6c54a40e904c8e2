"""`layerwatch demo`: a healthy and a failing print, rendered here, watched through a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerwatch.cli.demo_screen import DemoResult, DemoScreen
from layerwatch.core.errors import UserError

if TYPE_CHECKING:
    from layerwatch.simulator import Simulation

MINUTES = 60.0
HEALTHY_SEED = 30
FAILING_SEED = 23
"""Scenes chosen for being easy to read on a screen; any other seed can be given."""

START_SECONDS = 60
MAX_SPEED = 60.0
MIN_INTERVAL_S = 20.0


def command(
    speed: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=600,
            help="Speed of the simulated prints, as a multiple of real time.",
            show_default="what this machine can render, at most 60",
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=10, max=600, help="How long each print lasts, in print minutes.")
    ] = 30.0,
    healthy_seed: Annotated[int, typer.Option(help="Seed of the healthy print.")] = HEALTHY_SEED,
    failing_seed: Annotated[int, typer.Option(help="Seed of the failing print.")] = FAILING_SEED,
    failure: Annotated[
        str, typer.Option(help="The failure: see `layerwatch simulate --list`.")
    ] = "spaghetti",
    out: Annotated[Path, typer.Option(help="Folder for the pictures of the failure.")] = Path(
        "layerwatch-demo"
    ),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one object per picture, and a summary.")
    ] = False,
) -> None:
    """Show the whole service at work: a healthy print, then one that turns into spaghetti.

    Starts a server on the embedded database in a temporary folder, makes a key, renders both prints as a
    webcam would see them, and streams them through the HTTP API with the SDK. The clock runs faster, the
    pictures are simulated, everything else is real. Ends with exit status 1 if the failing print was not
    paused or the healthy one was.
    """
    from layerwatch.simulator import Simulation

    screen = DemoScreen(as_json)
    seconds = minutes * MINUTES
    prints = {
        "healthy": Simulation(healthy_seed, None, duration=seconds, nuisance=False),
        "failing": Simulation(failing_seed, failure, duration=seconds, nuisance=False, onset=seconds / 3),
    }
    speed = speed or _bearable_speed(prints["failing"])
    with (
        tempfile.TemporaryDirectory(prefix="layerwatch-demo-") as folder,
        _server(Path(folder), speed) as server,
    ):
        screen.started(server.url)
        seen = {name: _watch(name, print_, server, speed, screen) for name, print_ in prints.items()}
    good = seen["failing"].paused is not None and seen["healthy"].paused is None
    pictures = _save(seen["failing"], out)
    screen.summary(seen, prints["failing"].onset or 0.0, pictures, good)
    if not good:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class DemoServer:
    """A running demonstration server and the key that it takes."""

    url: str
    key: str


def _bearable_speed(print_: Simulation) -> float:
    """The speed at which a picture is rendered and judged well within the shortest interval."""
    began = time.perf_counter()
    for second in (0.0, print_.duration / 2):
        print_.frame(second)
    frame_seconds = (time.perf_counter() - began) / 2
    return min(MAX_SPEED, max(1.0, MIN_INTERVAL_S / (2 * frame_seconds)))


@contextmanager
def _server(folder: Path, speed: float) -> Iterator[DemoServer]:
    """`layerwatch keys create` and `layerwatch serve`, as a user would type them."""
    program = [sys.executable, "-m", "layerwatch"]
    environment = os.environ | {"LAYERWATCH_CLOCK_SPEED": str(speed)}
    made = subprocess.run(
        [*program, "keys", "create", "--name", "demo", "--data-dir", str(folder), "--json"],
        env=environment,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise UserError(f"no key could be made: {made.stderr.strip()[-500:]}")
    log = (folder / "server.log").open("w+")
    serving = subprocess.Popen(
        [*program, "serve", "--port", "0", "--data-dir", str(folder), "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        assert serving.stdout is not None
        line = serving.stdout.readline()
        if not line:
            log.seek(0)
            raise UserError(f"the server did not start: {log.read().strip()[-1000:]}")
        server = DemoServer(json.loads(line)["url"], json.loads(made.stdout)["key"])
        _wait_until_ready(server.url)
        yield server
    finally:
        serving.terminate()
        try:
            serving.wait(10)
        except subprocess.TimeoutExpired:
            serving.kill()
            serving.wait()
        log.close()


def _wait_until_ready(url: str) -> None:
    import httpx

    until = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > until:
            raise UserError(f"the server at {url} was not ready within {START_SECONDS} seconds")
        time.sleep(0.05)


def _watch(name: str, print_: Simulation, server: DemoServer, speed: float, screen: DemoScreen) -> DemoResult:
    """Stream one print, as a printer's own client would, until it ends or is to be paused."""
    from layerwatch_sdk import Client
    from layerwatch_sdk.clock import AcceleratedClock

    seen = DemoResult()
    clock = AcceleratedClock(speed)
    screen.heading(name, print_)
    with Client(server.key, server.url, clock=clock) as client:
        context = client.create_context()
        began, second = clock.monotonic(), 0.0
        while second < print_.duration and seen.paused is None:
            frame = print_.frame(
                second
            )  # rendered ahead of its moment, so that rendering costs no print time
            jpeg = frame.jpeg()
            clock.sleep(began + second - clock.monotonic())
            answer = client.process(context, jpeg)
            seen.frames += 1
            seen.last = jpeg
            if answer.warning_suggested and seen.warned is None:
                seen.warned = second
            if answer.pause_suggested:
                seen.paused = second
            screen.frame(name, second, answer, frame.truth)
            second = max(second, clock.monotonic() - began) + answer.next_interval.seconds
    return seen


def _save(seen: DemoResult, out: Path) -> tuple[Path, Path]:
    """The last picture of the failing print, plain and with the heat map over it."""
    from layerwatch.vision import Vision

    out.mkdir(parents=True, exist_ok=True)
    plain, heat = out / "failing.jpg", out / "failing-heat-map.jpg"
    plain.write_bytes(seen.last)
    with Vision.load() as vision:
        heat.write_bytes(vision.overlay(seen.last, vision.inspect(seen.last)))
    return plain, heat
