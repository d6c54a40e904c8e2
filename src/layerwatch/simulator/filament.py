"""Colours of filament, and the light they are seen by."""

from __future__ import annotations

import numpy as np

from layerwatch.simulator.geometry import Points
from layerwatch.simulator.light import Light
from layerwatch.simulator.randomness import between, choose, stream

_PALETTE: dict[tuple[float, float, float], float] = {
    (0.92, 0.92, 0.9): 2.0,
    (0.07, 0.07, 0.08): 1.6,
    (0.45, 0.46, 0.48): 1.8,
    (0.95, 0.45, 0.08): 1.5,
    (0.95, 0.8, 0.1): 1.2,
    (0.1, 0.3, 0.85): 1.3,
    (0.12, 0.55, 0.2): 1.0,
    (0.75, 0.08, 0.08): 1.2,
    (0.5, 0.15, 0.6): 0.7,
    (0.95, 0.5, 0.65): 0.5,
    (0.75, 0.6, 0.3): 0.6,
    (0.1, 0.65, 0.65): 0.6,
    (0.55, 0.85, 0.15): 0.6,
    (0.5, 0.35, 0.22): 0.4,
}


def layer_colours(seed: int, count: int) -> Points:
    """Filament colour by drawn layer (count, 3): plain, rainbow, or changed on the way."""
    rng = stream(seed, "filament")

    def one() -> Points:
        return np.clip(
            np.array(choose(rng, _PALETTE)) * between(rng, 0.8, 1.05) + rng.normal(0, 0.025, 3), 0.02, 0.97
        )

    style = choose(rng, {"plain": 8.0, "rainbow": 1.0, "changes": 0.8})
    if style == "plain":
        return np.tile(one(), (count, 1))
    if style == "rainbow":
        anchors = np.array([one() for _ in range(4)])
        place = np.linspace(0, 3, count)
        return np.stack([np.interp(place, np.arange(4), anchors[:, band]) for band in range(3)], axis=1)
    cuts = np.sort(rng.integers(0, count, 2))
    stages = np.searchsorted(cuts, np.arange(count), side="right")
    return np.array([one() for _ in range(3)])[stages]


def random_light(seed: int, *, enclosed: bool) -> Light:
    rng = stream(seed, "light")
    towards = np.array([rng.normal(0, 0.6), rng.normal(-0.2, 0.6), between(rng, 0.5, 1.3)])
    strength = float(np.clip(rng.normal(0.56, 0.17), 0.15, 0.9))
    around = float(np.clip(rng.normal(0.38 if not enclosed else 0.3, 0.12), 0.1, 0.7))
    warm = np.array([1.0, 1.0, 1.0]) + rng.normal(0, 0.06) * np.array([1, 0, -1])
    return Light(towards / np.linalg.norm(towards), strength * warm, around * (2 - warm))
