"""Which moment of which print a seed stands for, and how much work Cycles may spend on it."""

from __future__ import annotations

from dataclasses import dataclass

from layerwatch.simulator import Simulation
from layerwatch.simulator.stills import moment


@dataclass(frozen=True)
class Recipe:
    """size: pixels; samples: light paths a pixel before denoising.

    A detector sees 320x320 pixels. There, denoised, pictures of 4 and 8 samples look alike; one of 6 is 2 to
    7 grey levels of 255 from one of 48 (six pictures), one of 8 is 2 to 6: mostly the camera's own noise.
    """

    size: tuple[int, int] = (384, 288)
    samples: int = 4


def scene_of(seed: int, recipe: Recipe) -> tuple[Simulation, float]:
    """The simulation of `seed` and the second at which to render it; the same as `still(seed)` shows."""
    return moment(seed, recipe.size)
