"""Single pictures, each of another print in another printer before another camera: training material."""

from __future__ import annotations

from collections.abc import Iterator

from layerwatch.simulator.failures import random_failure_name
from layerwatch.simulator.randomness import between, choose, happens, stream
from layerwatch.simulator.simulation import Simulation
from layerwatch.simulator.truth import Frame


def still(seed: int, size: tuple[int, int] = (640, 480)) -> Frame:
    """The picture of `seed`: even seeds healthy, odd ones failed, at a time when the failure can be seen."""
    rng = stream(seed, "still")
    failed = seed % 2 == 1
    name = random_failure_name(rng) if failed else None
    events = [
        choose(
            rng, {"hand": 1.0, "light_dim": 1.0, "refocus": 1.0, "pause": 0.7, "wipe": 0.7, "exposure": 1.0}
        )
    ]
    nuisance = events if happens(rng, 0.15) else []
    simulation = Simulation(seed, name, nuisance=nuisance, size=size)
    if failed and simulation.failure is not None:
        begin, end = simulation.failure.onset, simulation.duration
        share = between(rng, 0.03, 1.0) ** 1.5
        second = min(begin + 90 + share * min(max(end - begin, 600), 5400), max(end, begin + 120))
    else:
        second = between(rng, 0.04, 1.02) * simulation.duration
    if nuisance and happens(rng, 0.7):
        event = simulation.timeline.events[0]
        if not failed or event.start > (simulation.onset or 0):
            second = between(rng, event.start, event.end)
    return simulation.frame(second)


def stills(seed0: int, count: int, size: tuple[int, int] = (640, 480)) -> Iterator[Frame]:
    """`count` pictures of the seeds from `seed0` on; half of them healthy."""
    for seed in range(seed0, seed0 + count):
        yield still(seed, size)
