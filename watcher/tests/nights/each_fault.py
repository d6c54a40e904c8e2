"""Each fault once on each kind of printer, in simulated time: which messages came, and when."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

import httpx
from watcher.tests.nights.checks import Checks
from watcher.tests.nights.night import open_watcher
from watcher.tests.nights.plant import HEATING_S, KINDS, Plant, now
from watcher.tests.nights.scenarios import AFTERWARDS, CAMERA, ORDERS, PRINTER, SERVICE, Scenario, play
from watcher.tests.nights.service import InMemory, Service
from watcher.tests.nights.virtual_time import LoopClock

from layerwatch_sdk.async_client import AsyncClient
from layerwatch_watcher.notifications.event import Event

Hear = Callable[[Plant, Event], None]
SETTLED_S = 300.0
"""Of printing before the fault, and of watching after it."""


@dataclass(frozen=True)
class Outcome:
    """What came of one fault on one kind of printer.

    messages: seconds since the fault began, and the kind of event.  wrong: what did not hold of them.
    """

    messages: tuple[tuple[float, str], ...]
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        if self.wrong:
            return "WRONG: " + "; ".join(self.wrong)
        return ", ".join(f"{kind} {seconds:.0f}" for seconds, kind in self.messages) or "no message"


def scenarios() -> list[Scenario]:
    """All that can befall a print, in the order of the table."""
    of_printers = dict.fromkeys(fault for kind in KINDS for fault in PRINTER[kind])
    return [
        *(Scenario("blind", fault) for fault in (*CAMERA, *SERVICE, *of_printers)),
        Scenario("flaps", ""),
        Scenario("paused by hand", ""),
        Scenario("stuck flag", ""),
        *(Scenario("order", f"{order}, resumed") for order in ORDERS),
        *(Scenario("order", f", {after}") for after in AFTERWARDS[1:]),
    ]


def applies(scenario: Scenario, kind: str) -> bool:
    """Whether such a printer can have it."""
    if scenario.kind == "stuck flag":
        return kind == "moonraker"
    common = scenario.kind != "blind" or scenario.detail in (*CAMERA, *SERVICE)
    return common or scenario.detail in PRINTER[kind]


async def befall(scenario: Scenario, folder: Path, seed: int = 1) -> dict[str, Outcome]:
    """Have it befall a print of each kind of printer that can have it."""
    plants = [Plant(number, kind) for number, kind in enumerate(KINDS) if applies(scenario, kind)]
    for number, plant in enumerate(plants):
        plant.number = number
    service = Service(plants)
    checks = Checks(service)
    heard: dict[str, list[tuple[float, str]]] = {plant.kind: [] for plant in plants}

    def hear(plant: Plant, event: Event) -> None:
        checks.hear(plant, event)
        heard[plant.kind].append((now(), event.kind.value))

    async with _watched(plants, service, hear, folder):
        for plant in plants:
            plant.start(3 * 3600)
        await asyncio.sleep(HEATING_S + SETTLED_S)
        for plant in plants:
            heard[plant.kind].clear()
        began = now()
        # The same seed for each, so that the fault lasts as long on every printer.
        await asyncio.gather(*(play(scenario, plant, random.Random(seed), []) for plant in plants))
        await asyncio.sleep(SETTLED_S)
    return {
        plant.kind: Outcome(
            tuple((at - began, kind) for at, kind in heard[plant.kind]),
            tuple(line for line in checks.wrong if f" {plant.kind} " in line),
        )
        for plant in plants
    }


@asynccontextmanager
async def _watched(
    plants: Sequence[Plant], service: Service, hear: Hear, folder: Path
) -> AsyncIterator[None]:
    transport = InMemory(service)
    async with httpx.AsyncClient(transport=transport) as client:
        inspector = AsyncClient("prod_key", "http://service", clock=LoopClock(), transport=transport)
        printers, tasks = [], []
        for plant in plants:
            printer, watcher = open_watcher(plant, client, inspector, partial(hear, plant), folder)
            printers.append(printer)
            tasks.append(asyncio.ensure_future(watcher.run()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            for printer in printers:
                await printer.close()
            for plant in plants:
                await plant.close()
            await inspector.close()
