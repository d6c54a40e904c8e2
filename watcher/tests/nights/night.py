"""A fleet watched through a simulated night: every printer prints, and something befalls every print."""

from __future__ import annotations

import asyncio
import random
import resource
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import httpx
from watcher.tests.nights.checks import Checks
from watcher.tests.nights.fake_mqtt import FakeMqtt
from watcher.tests.nights.plant import HEATING_S, KINDS, SERIAL, Plant, now
from watcher.tests.nights.scenarios import Fault, draw, play
from watcher.tests.nights.service import InMemory, Service
from watcher.tests.nights.virtual_time import LoopClock

from layerwatch_sdk.async_client import AsyncClient
from layerwatch_watcher.cameras.http import HttpCamera
from layerwatch_watcher.notifications.event import Event
from layerwatch_watcher.printers.bambu import Bambu
from layerwatch_watcher.printers.base import Printer
from layerwatch_watcher.printers.duet import Duet
from layerwatch_watcher.printers.moonraker import Moonraker
from layerwatch_watcher.printers.octoprint import OctoPrint
from layerwatch_watcher.printers.prusalink import PrusaLink
from layerwatch_watcher.watching.action_log import ActionLog
from layerwatch_watcher.watching.checkpoint import CheckpointStore
from layerwatch_watcher.watching.policy import Policy
from layerwatch_watcher.watching.print_watcher import PrintWatcher
from layerwatch_watcher.watching.watched import Watched

SOME_DAY = 1.8e9
HEATERS_OFF_S = 600.0


@dataclass
class Night:
    """The report. befell: how often each scenario befell each kind of printer."""

    befell: Counter[tuple[str, str]] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    prints: int = 0
    looks: int = 0
    restarts: int = 0
    early: int = 0
    memory_kib: list[int] = field(default_factory=list)


async def spend(
    hours: float,
    printers: int,
    seed: int,
    folder: Path,
    each_hour: Callable[[Night], None] = lambda night: None,
) -> Night:
    """Watch so many printers for so many hours. folder: for the watchers' checkpoints."""
    night, rng = Night(), random.Random(seed)
    plants = [Plant(n, KINDS[n % len(KINDS)]) for n in range(printers)]
    for plant in plants[:: 2 * len(KINDS)]:
        plant.tools = 2
    service = Service(plants)
    checks = Checks(service, wrong=night.wrong, messages=night.messages)
    transport = InMemory(service)
    async with httpx.AsyncClient(transport=transport) as client:
        inspector = AsyncClient("prod_key", "http://service", clock=LoopClock(), transport=transport)
        tasks = []
        for plant in plants:
            own = random.Random(rng.random())
            tasks.append(asyncio.ensure_future(_watch(plant, client, inspector, checks, folder, own, night)))
            tasks.append(asyncio.ensure_future(_print(plant, own, checks, night)))
            tasks.append(asyncio.ensure_future(_mind(plant, checks)))
        tasks.append(asyncio.ensure_future(_weigh(night, each_hour)))
        sleeping = asyncio.ensure_future(asyncio.sleep(hours * 3600))
        done, _ = await asyncio.wait([*tasks, sleeping], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *(plant.close() for plant in plants), return_exceptions=True)
        for task in done - {sleeping}:
            task.result()
        await inspector.close()
    night.early, night.looks = service.early, service.judged
    return night


def _printer(plant: Plant, client: httpx.AsyncClient) -> Printer:
    url = f"http://p-{plant.number}"
    if plant.kind == "octoprint":
        return OctoPrint(url, "key", client=client)
    if plant.kind == "moonraker":
        return Moonraker(url, client=client)
    if plant.kind == "prusalink":
        return PrusaLink(url, key="key", client=client)
    if plant.kind == "duet":
        return Duet(url, client=client)
    return Bambu(f"p-{plant.number}", SERIAL, "code", connect=lambda *_, **__: FakeMqtt(plant))  # type: ignore[arg-type]


def open_watcher(
    plant: Plant,
    client: httpx.AsyncClient,
    inspector: AsyncClient,
    hear: Callable[[Event], None],
    folder: Path,
) -> tuple[Printer, PrintWatcher]:
    """A watcher of `plant`, and its printer, which is to be closed after it. folder: for its checkpoint."""
    printer = _printer(plant, client)
    watched = Watched(
        f"{plant.kind}-{plant.number}",
        printer,
        {"camera": HttpCamera(f"http://c-{plant.number}/snap", client=client)},
        Policy(heaters_off_after=None if plant.kind == "prusalink" else HEATERS_OFF_S),
    )
    memory = CheckpointStore(folder / f"{plant.number}.json", lambda: SOME_DAY + now())
    watcher = PrintWatcher(watched, inspector, ActionLog(), hear, server="http://service", memory=memory)
    return printer, watcher


async def _watch(
    plant: Plant,
    client: httpx.AsyncClient,
    inspector: AsyncClient,
    checks: Checks,
    folder: Path,
    rng: random.Random,
    night: Night,
) -> None:
    """Watch one printer; at times the watcher is killed and started again."""
    while True:
        printer, watcher = open_watcher(
            plant, client, inspector, lambda event: checks.hear(plant, event), folder
        )
        running = asyncio.ensure_future(watcher.run())
        lives = asyncio.ensure_future(_until_killed(plant, rng))
        try:
            await asyncio.wait({running, lives}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lives.cancel()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await printer.close()
        night.restarts += 1
        await asyncio.sleep(rng.uniform(1, 20))


async def _until_killed(plant: Plant, rng: random.Random) -> None:
    await asyncio.sleep(rng.uniform(2, 5) * 3600)
    # What was reported before a restart is not known after it, so not in the middle of a fault.
    while plant.faults or (plant.failing and plant.state == "printing"):  # noqa: ASYNC110
        await asyncio.sleep(30)


async def _print(plant: Plant, rng: random.Random, checks: Checks, night: Night) -> None:
    """Print after print, each with what befalls it."""
    await asyncio.sleep(rng.uniform(0, 900))
    while True:
        plant.start(rng.uniform(2400, 4800))
        night.prints += 1
        job, faults = plant.job, list[Fault]()
        await asyncio.sleep(HEATING_S + rng.uniform(200, 400))
        scenario = draw(rng, plant)
        night.befell[f"{scenario.kind}: {scenario.detail}".rstrip(": "), plant.kind] += 1
        orders, began = len(plant.orders), now()
        plant.pauses.clear()
        await play(scenario, plant, rng, faults)
        if scenario.kind == "order":
            seconds = plant.pauses[0] - began if plant.pauses else float("inf")
            checks.failed_print(plant, scenario.detail, len(plant.orders) - orders, seconds)
        if faults:
            await asyncio.sleep(200)
            checks.fault_over(faults[0])
        while plant.busy:
            await asyncio.sleep(20)
            plant.tick()
        await asyncio.sleep(rng.uniform(120, 600))
        for number in range(job, plant.job + 1):
            checks.print_over(plant, number)
        plant.orders.clear()


async def _mind(plant: Plant, checks: Checks) -> None:
    """Each minute of printing is a minute that is seen, or reported as not seen."""
    since = now()
    while True:
        await asyncio.sleep(60)
        plant.tick()
        if plant.state != "printing":
            since = now()
        checks.minute(plant, now() - since)


async def _weigh(night: Night, each_hour: Callable[[Night], None]) -> None:
    while True:
        night.memory_kib.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        each_hour(night)
        await asyncio.sleep(3600)
