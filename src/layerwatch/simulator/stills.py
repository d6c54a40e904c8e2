"""Single pictures, each of another print in another printer before another camera: training material."""

from __future__ import annotations

from collections.abc import Iterator

from layerwatch.simulator.failures import random_failure_name
from layerwatch.simulator.randomness import Rng, between, choose, happens, stream
from layerwatch.simulator.simulation import Simulation
from layerwatch.simulator.truth import Frame

IN_SIGHT = 0.006
"""Share of the picture that a failure covers at least in a still, where a few tries find such a moment."""
TRIES = 5


def still(seed: int, size: tuple[int, int] = (640, 480)) -> Frame:
    """The picture of `seed`: even seeds healthy, odd ones failed, at a time when the failure can be seen."""
    simulation, second = moment(seed, size)
    return simulation.frame(second)


def moment(seed: int, size: tuple[int, int] = (640, 480)) -> tuple[Simulation, float]:
    """The print of `seed` and the second at which its still is taken."""
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
        second = _when_it_shows(simulation, simulation.failure.onset, rng)
    else:
        second = between(rng, 0.04, 1.02) * simulation.duration
    if nuisance and happens(rng, 0.7):
        event = simulation.timeline.events[0]
        if not failed or event.start > (simulation.onset or 0):
            second = between(rng, event.start, event.end)
    return simulation, second


def _when_it_shows(simulation: Simulation, onset: float, rng: Rng) -> float:
    """A second after the onset at which the failure is in sight; the best of a few if it is always hidden."""
    best, most = onset + 120, -1.0
    for _ in range(TRIES):
        span = min(max(simulation.duration - onset, 600), 5400)
        second = min(
            onset + 90 + between(rng, 0.03, 1.0) ** 1.5 * span, max(simulation.duration, onset + 120)
        )
        visible = simulation.glance(second).visible or 0.0
        if visible > most:
            best, most = second, visible
        if visible >= IN_SIGHT:
            break
    return best


def stills(seed0: int, count: int, size: tuple[int, int] = (640, 480)) -> Iterator[Frame]:
    """`count` pictures of the seeds from `seed0` on; half of them healthy."""
    for seed in range(seed0, seed0 + count):
        yield still(seed, size)
