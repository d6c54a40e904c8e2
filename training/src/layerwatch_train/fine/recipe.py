"""Which moment of which print a seed stands for, and how much work Cycles may spend on it."""

from __future__ import annotations

from dataclasses import dataclass

from layerwatch.simulator import Simulation
from layerwatch.simulator.stills import moment


@dataclass(frozen=True)
class Recipe:
    """size: pixels; samples: light paths a pixel before denoising."""

    size: tuple[int, int] = (480, 360)
    samples: int = 16


def scene_of(seed: int, recipe: Recipe) -> tuple[Simulation, float]:
    """The simulation of `seed` and the second at which to render it; the same as `still(seed)` shows."""
    return moment(seed, recipe.size)
