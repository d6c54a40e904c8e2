"""What befalls a print: one scenario each, drawn by a seed."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from watcher.tests.nights.plant import Plant, now

CAMERA = (
    "camera dead",
    "camera hangs",
    "camera web page",
    "camera frozen",
    "camera dark",
    "camera no signal",
)
SERVICE = ("service down", "service busy")
PRINTER = {
    "octoprint": ("host down", "host hangs", "printer offline"),
    "moonraker": ("host down", "host hangs", "printer offline"),
    "prusalink": ("host down", "host hangs"),
    "duet": ("host down", "host hangs", "printer offline"),
    "bambu": ("host down", "mute"),
}
ORDERS = ("", "slow", "late", "lost", "answer lost", "refused")
AFTERWARDS = ("resumed", "resumed at once", "restarted", "cancelled", "finished while paused", "nobody comes")


@dataclass
class Fault:
    """Something that hides the print for a while. about: camera, service or printer."""

    plant: Plant
    name: str
    about: str
    job: int
    begin: float
    end: float = 0.0

    @property
    def long(self) -> bool:
        return self.end - self.begin >= 300


@dataclass
class Scenario:
    """What was drawn: `kind` is the table's row."""

    kind: str
    detail: str


def draw(rng: random.Random, plant: Plant) -> Scenario:
    """What befalls the next print of `plant`."""
    kinds = ["blind", "blind", "order", "order", "flaps", "paused by hand"]
    if plant.kind == "moonraker":
        kinds.append("stuck flag")
    kind = rng.choice(kinds)
    if kind == "blind":
        return Scenario(kind, rng.choice((*CAMERA, *SERVICE, *PRINTER[plant.kind] * 2)))
    if kind == "order":
        return Scenario(kind, f"{rng.choice(ORDERS)}, {rng.choice(AFTERWARDS)}")
    return Scenario(kind, "")


async def play(scenario: Scenario, plant: Plant, rng: random.Random, faults: list[Fault]) -> None:
    """Have it happen to the print under way."""
    if scenario.kind == "blind":
        long = rng.random() < 0.75
        await hide(plant, scenario.detail, rng.uniform(300, 900) if long else rng.uniform(20, 50), faults)
    elif scenario.kind == "flaps":
        for _ in range(8):
            plant.faults.add("camera dead")
            await asyncio.sleep(25)
            plant.faults.discard("camera dead")
            await asyncio.sleep(25)
    elif scenario.kind == "paused by hand":
        plant.tick()
        plant.become("paused")
        await asyncio.sleep(rng.uniform(30, 900))
        resume(plant)
    elif scenario.kind == "stuck flag":
        plant.stuck = True
        await asyncio.sleep(rng.uniform(200, 600))
        await fail(plant, rng, "", "resumed")
        plant.stuck = False
    else:
        order, _, after = scenario.detail.partition(", ")
        await fail(plant, rng, order, after)


async def hide(plant: Plant, name: str, seconds: float, faults: list[Fault]) -> None:
    """One blinding fault."""
    about = "printer" if name in PRINTER[plant.kind] else name.split()[0]
    fault = Fault(plant, name, about, plant.job, now())
    plant.faults.add(name)
    await asyncio.sleep(seconds)
    plant.faults.discard(name)
    fault.end = now()
    faults.append(fault)


async def fail(plant: Plant, rng: random.Random, order: str, after: str) -> None:
    """The print fails; the pause goes the way of `order`, and then a person does `after`."""
    plant.order_fault = order
    plant.order_delay = rng.uniform(70, 110) if order == "late" else rng.uniform(8, 50)
    plant.failing = True
    if after == "nobody comes" and rng.random() < 0.5:
        plant.heater_fault_until = now() + 1100
    for _ in range(600):
        await asyncio.sleep(1)
        plant.tick()
        if plant.state == "paused" or not plant.busy:
            break
    plant.order_fault = ""
    if plant.state != "paused":  # the pause was refused; after ten minutes somebody comes by
        if plant.busy:
            plant.become("cancelled")
        return
    if after == "resumed at once":
        await asyncio.sleep(rng.uniform(0, 4))
        resume(plant)
        return
    await asyncio.sleep(1500 if after == "nobody comes" else rng.uniform(60, 500))
    if after == "resumed":
        resume(plant)
    elif after == "restarted":
        plant.restart()
    elif after == "finished while paused":
        plant.become("finished")
    else:
        plant.become("cancelled")


def resume(plant: Plant) -> None:
    """A person goes on with the print at the printer."""
    plant.tick()
    plant.become("printing")
