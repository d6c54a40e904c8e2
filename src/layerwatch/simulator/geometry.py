"""Solids to print: parametric and random shapes as stacks of closed outlines. Millimetres; z is up, the bed
at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.randomness import Rng, between, choose, happens

Points = NDArray[np.float64]

RING_POINTS = 56
"""Points of an outline; enough that a round part looks round at 640 pixels."""


@dataclass(frozen=True)
class Solid:
    """A lofted solid: `rings` (levels, points, 2) at the heights `levels`; a hole is a solid to leave out."""

    name: str
    levels: Points
    rings: Points
    holes: tuple[Points, ...] = ()

    @property
    def bottom(self) -> float:
        return float(self.levels[0])

    @property
    def top(self) -> float:
        return float(self.levels[-1])

    def outline(self, z: float) -> Points:
        """The outer outline (points, 2) at height `z`."""
        return _at(self.levels, self.rings, z)

    def hole_outlines(self, z: float) -> list[Points]:
        return [_at(self.levels, hole, z) for hole in self.holes]

    def moved(self, x: float, y: float, z: float = 0.0) -> Solid:
        step = np.array([x, y])
        return replace(
            self,
            levels=self.levels + z,
            rings=self.rings + step,
            holes=tuple(hole + step for hole in self.holes),
        )


def _at(levels: Points, rings: Points, z: float) -> Points:
    place = float(np.interp(z, levels, np.arange(len(levels))))
    low = min(int(place), len(levels) - 2)
    part = place - low
    mixed: Points = rings[low] * (1 - part) + rings[low + 1] * part
    return mixed


def resample(outline: Points, count: int = RING_POINTS) -> Points:
    """The closed `outline` as `count` points at equal steps along it, corners kept when there are few."""
    closed = np.vstack([outline, outline[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    if len(outline) <= count // 4:
        extra = np.linspace(0, along[-1], count - len(outline), endpoint=False)
        wanted = np.sort(np.concatenate([along[:-1], extra]))
    else:
        wanted = np.linspace(0, along[-1], count, endpoint=False)
    return np.stack([np.interp(wanted, along, closed[:, 0]), np.interp(wanted, along, closed[:, 1])], axis=1)


def loft(
    name: str,
    outline: Points,
    height: float,
    *,
    bottom: float = 0.0,
    scale: Callable[[float], float] = lambda t: 1.0,
    twist: float = 0.0,
    lean: tuple[float, float] = (0.0, 0.0),
    holes: tuple[Points, ...] = (),
    steps: int = 24,
) -> Solid:
    """Sweep `outline` upwards; `scale(t)`, `twist` (radians in all) and `lean` (mm in all) vary with t =
    0..1.
    """
    shares = np.linspace(0, 1, steps)
    outer, inner = [], [[] for _ in holes]  # type: ignore[var-annotated]
    for share in shares:
        turn, size = twist * share, scale(float(share))
        matrix = size * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        step = np.array(lean) * share
        outer.append(resample(outline) @ matrix + step)
        for number, hole in enumerate(holes):
            inner[number].append(resample(hole) @ matrix + step)
    return Solid(name, bottom + shares * height, np.array(outer), tuple(np.array(rings) for rings in inner))


def rectangle(width: float, depth: float) -> Points:
    return np.array([[-width, -depth], [width, -depth], [width, depth], [-width, depth]]) / 2


def circle(radius: float, points: int = RING_POINTS) -> Points:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def wavy(radius: float, waves: list[tuple[int, float, float]]) -> Points:
    """A round outline with waves of (count around, share of the radius, phase)."""
    angle = np.linspace(0, 2 * np.pi, RING_POINTS * 2, endpoint=False)
    length = radius * (1 + sum(size * np.cos(count * angle + phase) for count, size, phase in waves))
    return np.stack([length * np.cos(angle), length * np.sin(angle)], axis=1)


def gear(radius: float, teeth: int, depth: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, teeth * 4, endpoint=False)
    length = np.where(np.arange(teeth * 4) % 4 < 2, radius, radius - depth)
    return np.stack([length * np.cos(angle), length * np.sin(angle)], axis=1)


def polygon(rng: Rng, radius: float, corners: int) -> Points:
    angle = np.sort(np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(-0.3, 0.3, corners))
    length = radius * rng.uniform(0.6, 1.0, corners)
    return np.stack([length * np.cos(angle), length * np.sin(angle)], axis=1)


def _box(rng: Rng) -> list[Solid]:
    width, depth, height = between(rng, 15, 110), between(rng, 15, 90), between(rng, 6, 90)
    holes = (rectangle(width - 6, depth - 6),) if happens(rng, 0.4) else ()
    taper = between(rng, -0.15, 0.15)
    return [loft("box", rectangle(width, depth), height, scale=lambda t: 1 + taper * t, holes=holes)]


def _cylinder(rng: Rng) -> list[Solid]:
    radius, height = between(rng, 8, 55), between(rng, 8, 110)
    holes = (circle(radius * between(rng, 0.4, 0.9)),) if happens(rng, 0.5) else ()
    return [loft("cylinder", circle(radius), height, holes=holes)]


def _vase(rng: Rng) -> list[Solid]:
    radius, height = between(rng, 15, 50), between(rng, 40, 170)
    a, b, phase, waist = rng.uniform(-0.4, 0.4), rng.uniform(0, 0.3), rng.uniform(0, 6.3), rng.uniform(1, 2.5)
    outline = wavy(radius, [(int(rng.integers(2, 14)), float(rng.uniform(0, 0.12)), 0.0)])
    hole = outline * 0.95
    return [
        loft(
            "vase",
            outline,
            height,
            scale=lambda t: float(1 + a * t + b * np.sin(waist * np.pi * t + phase)),
            twist=float(rng.uniform(-2.5, 2.5)) * happens(rng, 0.6),
            holes=(hole,),
            steps=40,
        )
    ]


def _organic(rng: Rng) -> list[Solid]:
    """A lumpy figure: a bust, a dragon, a rock; waves that drift with the height."""
    height, radius = between(rng, 30, 150), between(rng, 14, 48)
    steps, angle = 80, np.linspace(0, 2 * np.pi, RING_POINTS * 2, endpoint=False)
    t = np.linspace(0, 1, steps)[:, None]
    shape = np.full((steps, RING_POINTS * 2), 1.0)
    for count in range(1, 8):
        size = rng.uniform(0, 0.32) / count
        shape += size * np.cos(count * angle + rng.uniform(0, 6.3) + rng.uniform(-3, 3) * t)
    for _ in range(int(rng.integers(0, 40))):
        around, up, size = rng.uniform(0, 6.3), rng.random(), rng.uniform(0.06, 0.3)
        bump = np.exp(-((np.angle(np.exp(1j * (angle - around))) / size) ** 2) - ((t - up) / size * 2.5) ** 2)
        shape += rng.uniform(-0.12, 0.2) * bump
    profile = np.full((steps, 1), 0.85)
    for count in range(1, 7):
        profile += rng.uniform(0, 0.45) / count * np.cos(count * np.pi * t + rng.uniform(0, 6.3))
    length = radius * np.clip(profile, 0.18, 2.2) * np.clip(shape, 0.3, 2)
    rings = np.stack([length * np.cos(angle), length * np.sin(angle) * rng.uniform(0.6, 1)], axis=2)
    rings[:, :, 0] += (rng.uniform(-12, 12) * np.sin(rng.uniform(1, 4) * t + rng.uniform(0, 6)))[:, 0][
        :, None
    ]
    return [Solid("figure", t[:, 0] * height, rings)]


def _gear(rng: Rng) -> list[Solid]:
    radius = between(rng, 15, 50)
    outline = gear(radius, int(rng.integers(8, 26)), radius * between(rng, 0.12, 0.3))
    twist = between(rng, -0.5, 0.5) * happens(rng, 0.4)
    bore = circle(radius * between(rng, 0.15, 0.4))
    return [loft("gear", outline, between(rng, 5, 30), twist=twist, holes=(bore,))]


def _block(rng: Rng) -> list[Solid]:
    outline = polygon(rng, between(rng, 18, 60), int(rng.integers(3, 9)))
    return [loft("polygon", outline, between(rng, 4, 100), twist=between(rng, -0.6, 0.6) * happens(rng, 0.3))]


def _boat(rng: Rng) -> list[Solid]:
    """A hull, a cabin and a chimney: the shape of the usual test boat."""
    size = between(rng, 0.6, 2.2)
    side = np.linspace(-30, 30, 25)
    half = 15 * (1 - np.clip((side + 5) / 36, 0, 1) ** 2.2)
    hull = np.vstack([np.stack([side, -half], 1), np.stack([side, half], 1)[::-1]]) * size
    cabin = rectangle(20 * size, 18 * size) + np.array([-8 * size, 0])
    return [
        loft("boat", hull, 15 * size, scale=lambda t: 0.8 + 0.2 * t),
        loft("boat", cabin, 14 * size, bottom=15 * size),
        loft("boat", rectangle(24 * size, 21 * size) + np.array([-8 * size, 0]), 2 * size, bottom=29 * size),
        loft("boat", circle(3.5 * size) + np.array([-12 * size, 0]), 10 * size, bottom=31 * size),
    ]


def _towers(rng: Rng) -> list[Solid]:
    """A plate with pillars on it: what strings between."""
    gap, height, radius = between(rng, 14, 35), between(rng, 20, 70), between(rng, 3, 8)
    count = int(rng.integers(2, 5))
    base = loft("pillars", rectangle(gap * count, gap), 3)
    return [base] + [
        loft(
            "pillars",
            circle(radius) + np.array([(number - (count - 1) / 2) * gap, 0]),
            height,
            bottom=3,
            scale=lambda t: 1 - 0.1 * t,
        ).moved(0, 0)
        for number in range(count)
    ]


def _lattice(rng: Rng) -> list[Solid]:
    """A flat plate with a grid of holes: an honest part that looks like a mesh of strands."""
    radius, pitch = between(rng, 30, 65), between(rng, 9, 16)
    reach = np.arange(-radius + pitch, radius - pitch / 2, pitch)
    holes = tuple(
        rectangle(pitch * 0.75, pitch * 0.75) + np.array([x, y])
        for x in reach
        for y in reach
        if np.hypot(x, y) < radius - pitch * 0.9
    )
    return [loft("lattice", circle(radius), between(rng, 1.5, 5), holes=holes, steps=2)]


def _bracket(rng: Rng) -> list[Solid]:
    width, depth, height = between(rng, 30, 90), between(rng, 20, 60), between(rng, 20, 80)
    wall = between(rng, 4, 12)
    upright = rectangle(width, wall) + np.array([0, (depth - wall) / 2])
    return [loft("bracket", rectangle(width, depth), wall), loft("bracket", upright, height, bottom=wall)]


def _arch(rng: Rng) -> list[Solid]:
    """Two legs and a beam over the gap: needs supports."""
    span, height, leg = between(rng, 40, 100), between(rng, 20, 60), between(rng, 8, 16)
    legs = [
        loft("arch", rectangle(leg, leg * 1.5), height).moved(side * (span - leg) / 2, 0) for side in (-1, 1)
    ]
    return [*legs, loft("arch", rectangle(span, leg * 1.5), between(rng, 5, 14), bottom=height)]


SHAPES: dict[str, Callable[[Rng], list[Solid]]] = {
    "box": _box,
    "cylinder": _cylinder,
    "vase": _vase,
    "figure": _organic,
    "gear": _gear,
    "polygon": _block,
    "boat": _boat,
    "pillars": _towers,
    "lattice": _lattice,
    "bracket": _bracket,
    "arch": _arch,
}
_WEIGHTS = dict.fromkeys(SHAPES, 1.0) | {"figure": 3.0, "vase": 1.6, "boat": 1.4, "lattice": 0.6}


def random_object(rng: Rng, shape: str | None = None) -> list[Solid]:
    """One object, centred, turned at random. Raises ValueError for an unknown `shape`."""
    if shape is not None and shape not in SHAPES:
        raise ValueError(f"unknown shape {shape!r}; known: {', '.join(SHAPES)}")
    solids = SHAPES[shape or choose(rng, _WEIGHTS)](rng)
    turn = between(rng, 0, 2 * np.pi)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return [
        replace(solid, rings=solid.rings @ matrix, holes=tuple(hole @ matrix for hole in solid.holes))
        for solid in solids
    ]


def extent(solids: list[Solid]) -> tuple[Points, Points]:
    """Least and greatest x, y over all heights."""
    points = np.concatenate([solid.rings.reshape(-1, 2) for solid in solids])
    return points.min(axis=0), points.max(axis=0)
