"""Loose filament: how a strand curls, piles up and droops once nothing holds it.

A strand is a worm-like chain (its curvature wanders) around the way of the nozzle, laid on a height field
that rises as more falls on it. Every point is laid in order, so a tangle at one time is the start of that at
a later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.randomness import Rng, between, choose, happens

Points = NDArray[np.float64]
PITCH = 2.0
"""Distance between a strand's points, mm."""


TIGHT = 4.5
"""Loops smaller than this, mm, are rounded with points in between."""


@dataclass(frozen=True)
class TangleStyle:
    """curl: mm, radius of the usual loop; spread: mm, how far it strays from the nozzle's way; fluff: mm of
    height that a strand adds where it lies; sag: points over which height is smoothed; stretch: 0..1, share
    pulled straight; arcs: mm, height of free loops; ceiling: whether the nozzle presses it flat from above.
    """

    curl: float
    spread: float
    fluff: float
    sag: int
    stretch: float
    arcs: float
    ceiling: bool


STYLES: dict[str, TangleStyle] = {
    "nest": TangleStyle(4.0, 9.0, 0.5, 9, 0.15, 4.0, True),
    "mat": TangleStyle(6.0, 16.0, 0.18, 21, 0.35, 2.0, True),
    "cloud": TangleStyle(9.0, 30.0, 0.65, 17, 0.15, 10.0, False),
    "loops": TangleStyle(22.0, 38.0, 0.5, 41, 0.3, 26.0, False),
    "wisps": TangleStyle(5.0, 20.0, 0.25, 9, 0.5, 6.0, False),
    "springs": TangleStyle(2.2, 10.0, 0.4, 5, 0.1, 3.0, False),
}


def random_style(rng: Rng) -> TangleStyle:
    base = STYLES[
        choose(rng, {"nest": 2.0, "mat": 2.0, "cloud": 3.0, "loops": 1.0, "wisps": 1.5, "springs": 1.0})
    ]
    grow = float(np.exp(rng.normal(0, 0.3)))
    return TangleStyle(
        base.curl * grow,
        base.spread * grow * between(rng, 0.7, 1.4),
        base.fluff * between(rng, 0.6, 1.5),
        base.sag,
        base.stretch,
        base.arcs * between(rng, 0.4, 1.6),
        base.ceiling and happens(rng, 0.7),
    )


def _smooth(values: Points, window: int) -> Points:
    """A running mean of `values` (n, …) along the first axis, ends held."""
    if window < 2 or len(values) < 2:
        return values
    half = window // 2
    padded = np.concatenate(
        [np.repeat(values[:1], half, axis=0), values, np.repeat(values[-1:], half, axis=0)]
    )
    total = np.cumsum(np.concatenate([np.zeros_like(padded[:1]), padded]), axis=0)
    width = 2 * half + 1 if window % 2 else window
    out: Points = (total[width:] - total[:-width])[: len(values)] / width
    return out


def tangle(
    rng: Rng,
    style: TangleStyle,
    way: Points,
    base: Callable[[Points], Points],
    ceiling: float,
) -> Points:
    """A strand (n, 3) along the nozzle's `way` (n, 2), one point each, over `base(xy) → z`, mm."""
    count = len(way)
    bend = rng.normal(0, 1, count)
    bend = _smooth(bend[:, None], 25)[:, 0] * 25**0.5 * 0.6 + rng.choice([-1.0, 1.0]) * 0.7
    flips = np.cumsum(rng.random(count) < 1 / 140) % 2 * 2 - 1
    heading = np.cumsum(bend * flips * PITCH / style.curl)
    chain = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * PITCH, axis=0)
    window = int(max(2.2 * np.pi * style.curl / PITCH, 9)) | 1
    curl = chain - _smooth(chain, window)
    loose = _smooth(rng.random((count, 1)), 45)
    loose = np.clip(
        (loose - loose.mean()) / max(float(loose.std()), 1e-9) * 0.5 + 1 - style.stretch, 0.05, 1.6
    )
    drift = _smooth(rng.normal(0, 1, (count, 2)), 161) * 161**0.5 * style.spread * 0.55
    flat = _smooth(way, 11) + drift * 0.8 + curl * loose
    ground = base(flat)
    cells = np.floor(flat / 5).astype(np.int64)
    cells -= cells.min(axis=0)
    key = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    sorting = np.argsort(key, kind="stable")
    ordered = key[sorting]
    first = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1])
    rank = np.empty(count)
    rank[sorting] = np.arange(count) - np.repeat(first, np.diff(np.concatenate([first, [count]])))
    pile = style.fluff * rank**0.85
    free = _smooth(rng.normal(0, 1, (count, 1)), 31)[:, 0] * 31**0.5
    pile = pile * (0.5 + 0.5 * rng.random(1)) + np.maximum(free - 0.4, 0) * style.arcs
    pile += np.abs(_smooth(rng.normal(0, 1, (count, 1)), 9)[:, 0]) * 3.0
    if style.ceiling:
        room = np.maximum(ceiling - ground, 4)
        pile = room * (1 - np.exp(-pile / room))
    height = _smooth((ground + pile)[:, None], style.sag)[:, 0]
    height = np.maximum(height, base(flat) * 0.0 + 0.3)
    points = np.hstack([flat, height[:, None]])
    return rounded(points) if style.curl < TIGHT else points


def rounded(points: Points) -> Points:
    """Twice as many points (2n - 1, 3) on Catmull-Rom curves through `points`."""
    held = np.concatenate([points[:1], points, points[-1:]])
    middle = (9 * (held[1:-2] + held[2:-1]) - held[:-3] - held[3:]) / 16
    out = np.empty((2 * len(points) - 1, 3))
    out[0::2], out[1::2] = points, middle
    return out


def droop(rng: Rng, top: Points, bottom: Points, count: int = 24, slack: float = 6.0) -> Points:
    """A strand hanging from `top` to `bottom` (3,) with some sideways slack."""
    t = np.linspace(0, 1, count)[:, None]
    side = rng.normal(0, slack, 3) * [1, 1, 0.3]
    curve: Points = top * (1 - t) + bottom * t + side * np.sin(np.pi * t) * (1 - 0.3 * t)
    return curve
