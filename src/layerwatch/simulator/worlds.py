"""Printers: bed-slinger, CoreXY box and delta, each drawn differently from its seed.

The printer's frame: x right, y away from the door, z up, mm. On a bed-slinger the bed goes along y; in a
CoreXY box it sinks; on a delta it stays. The nozzle's place is given in the bed's frame and `pose` moves
both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.beds import Bed, random_bed
from layerwatch.simulator.heads import ACCENTS, METALS, random_head, tint
from layerwatch.simulator.meshes import Mesh, box, join, plate, refined, tube
from layerwatch.simulator.randomness import Rng, between, choose, happens, stream
from layerwatch.simulator.scene import Strand

Points = NDArray[np.float64]
WORLDS: tuple[str, ...] = ("bedslinger", "corexy", "delta")


@dataclass(frozen=True)
class Pose:
    """Where the moving parts are: added to the bed's frame, to the head's (nozzle tip at 0) and to the
    beam's.
    """

    bed: Points
    head: Points
    beam: Points


@dataclass(frozen=True)
class World:
    """static: does not move; carriage: moves with the bed; head: nozzle tip at the origin; beam: carries the
    head.

    wires: anchors of cables in the printer's frame, each to run to the head; floor: mm, what it
    stands on; litter: strands that lie about and are no failure.
    """

    kind: str
    bed: Bed
    static: Mesh
    carriage: Mesh
    head: Mesh
    decals: Mesh
    beam: Mesh
    wires: tuple[tuple[Points, Points, float], ...]
    rods: bool
    enclosed: bool
    floor: float
    litter: tuple[Strand, ...] = ()

    def pose(self, nozzle: Points, parked: bool = False) -> Pose:
        """Poses for the nozzle's tip at `nozzle` (3,) in the bed's frame."""
        x, y, z = nozzle
        zero = np.zeros(3)
        if self.kind == "bedslinger":
            return Pose(np.array([0, -y, 0]), np.array([x, 0, z]), np.array([0, 0, z]))
        if self.kind == "corexy":
            return Pose(np.array([0, 0, -z]), np.array([x, y, 0]), np.array([0, y, 0]))
        return Pose(zero, np.array(nozzle), zero)

    @property
    def park(self) -> Points:
        """Where the head waits, x and y in the bed's frame."""
        return np.array([-self.bed.width / 2 + 5, self.bed.depth / 2 - 5])


def random_world(seed: int, kind: str | None = None) -> World:
    """A printer of `kind`, or of any. Raises KeyError for an unknown kind."""
    rng = stream(seed, "world")
    kind = kind or choose(rng, {"bedslinger": 3.0, "corexy": 2.0, "delta": 0.8})
    return {"bedslinger": _bedslinger, "corexy": _corexy, "delta": _delta}[kind](rng)


def _bedslinger(rng: Rng) -> World:
    bed = random_bed(rng, is_round=False)
    half, deep = bed.width / 2, bed.depth / 2
    metal = tint(rng, METALS[:2] + METALS[2:3] * happens(rng, 0.3))
    accent = tint(rng, METALS + ACCENTS)
    tall = between(rng, 300, 420)
    post, back = half + between(rng, 22, 45), between(rng, 15, 45)
    floor = -between(rng, 55, 80)
    static = [
        box((side * post - 12, back, floor), (side * post + 12, back + 35, tall), metal) for side in (-1, 1)
    ]
    static += [
        box((-post, back, tall - 22), (post, back + 22, tall), metal),
        box((-22, -deep - 40, floor), (22, deep + 60, floor + 26), metal),
        box((-post, back, floor), (post, back + 35, floor + 24), metal),
    ]
    if happens(rng, 0.5):
        static.append(
            box((half * 0.1, -deep - 55, floor - 5), (half * 0.9, -deep - 25, floor + 40), tint(rng, METALS))
        )
    for side in (-1, 1):
        static.append(
            tube((side * (post - 22), back + 12, floor + 20), 3.5, tall - floor, (0.6, 0.6, 0.62), sides=8)
        )
    carriage = [
        box((-half, -deep, -4), (half, deep, -0.6), bed.edge),
        box((-half * 0.9, -deep * 0.95, -16), (half * 0.9, deep * 0.95, -11), (0.12, 0.12, 0.12)),
        *[
            tube((sx * half * 0.8, sy * deep * 0.8, -34), 13, 9, accent, sides=14)
            for sx in (-1, 1)
            for sy in (-1, 1)
        ],
    ]
    beam_z = between(rng, 20, 60)
    beam = [
        box((-post - 5, back - 14, beam_z), (post + 5, back + 8, beam_z + 22), metal),
        box(
            (-post - 30, back - 20, beam_z - 12),
            (-post + 18, back + 25, beam_z + 48),
            tint(rng, METALS + ACCENTS[:2]),
        ),
        box((post - 16, back - 20, beam_z - 12), (post + 25, back + 25, beam_z + 40), tint(rng, METALS)),
        box((-post, back - 17, beam_z + 8), (post, back - 14, beam_z + 13), (0.06, 0.06, 0.06)),
    ]
    wires = tuple(
        (
            np.array([between(rng, -post, post), back + 20, tall - 30]),
            np.array([between(rng, -12, 12), 10, 60]),
            between(rng, 1.2, 5),
        )
        for _ in range(int(rng.integers(2, 8)))
    )
    return World(
        "bedslinger",
        bed,
        refined(join(static), 5, rng),
        join(carriage),
        *random_head(rng),
        join(beam),
        wires,
        False,
        False,
        floor,
    )


def _corexy(rng: Rng) -> World:
    bed = random_bed(rng, is_round=False)
    half, deep = bed.width / 2, bed.depth / 2
    metal = tint(rng, METALS)
    room, top, floor = 40, between(rng, 60, 110), -between(rng, 260, 380)
    wall = tint(
        rng, [(0.12, 0.12, 0.13), (0.3, 0.3, 0.32), (0.75, 0.75, 0.74), (0.05, 0.05, 0.06), (0.45, 0.47, 0.5)]
    )
    x, y = half + room, deep + room
    static = [
        plate([(-x, y, floor), (x, y, floor), (x, y, top), (-x, y, top)], (0, -1, 0), wall),
        plate(
            [(-x, -y, floor), (-x, y, floor), (-x, y, top), (-x, -y, top)],
            (1, 0, 0),
            tuple(v * 0.85 for v in wall),
        ),
        plate(
            [(x, -y, floor), (x, y, floor), (x, y, top), (x, -y, top)],
            (-1, 0, 0),
            tuple(v * 0.85 for v in wall),
        ),
        plate(
            [(-x, -y, floor), (x, -y, floor), (x, y, floor), (-x, y, floor)],
            (0, 0, 1),
            tuple(v * 0.6 for v in wall),
        ),
    ]
    static += [box((sx * x - 10, y - 20, floor), (sx * x + 10, y, top), metal) for sx in (-1, 1)]
    static += [box((sx * x - 12, -y, 28), (sx * x + 12, y, 46), metal) for sx in (-1, 1)]
    for lead in (-half * 0.6, half * 0.6) if happens(rng, 0.6) else (0.0,):
        static.append(tube((lead, y - 25, floor), 5, top - floor, (0.6, 0.6, 0.62), sides=8))
    if happens(rng, 0.4):
        static.append(
            box((-x * 0.3, y - 8, floor + 60), (x * 0.3, y - 1, floor + 140), tuple(v * 0.5 for v in metal))
        )
        static += [
            box((-x * 0.28 + n * 9, y - 10, floor + 65), (-x * 0.28 + n * 9 + 3, y - 8, floor + 135), metal)
            for n in range(int(x * 0.56 / 9))
        ]
    if happens(rng, 0.35):
        static.append(box((half * 0.4, y - 55, 2), (half * 0.4 + 40, y - 20, 24), (0.15, 0.15, 0.16)))
    carriage = [
        box((-half, -deep, -5), (half, deep, -0.6), bed.edge),
        box((-half * 0.8, deep * 0.2, -22), (half * 0.8, y - 12, -7), tint(rng, METALS)),
    ]
    beam = [
        box((-x + 10, 14, 22), (x - 10, 30, 40), metal),
        box((-x + 4, -18, 18), (-x + 34, 40, 46), tint(rng, METALS + ACCENTS)),
        box((x - 34, -18, 18), (x - 4, 40, 46), tint(rng, METALS + ACCENTS)),
    ]
    wires = ((np.array([between(rng, -x, x) * 0.5, y - 10, top]), np.array([0, 10, 70]), between(rng, 2, 7)),)
    return World(
        "corexy",
        bed,
        refined(join(static), 5, rng),
        join(carriage),
        *random_head(rng),
        join(beam),
        wires,
        False,
        True,
        floor,
    )


def _delta(rng: Rng) -> World:
    bed = random_bed(rng, is_round=True)
    reach = bed.width / 2
    metal = tint(rng, METALS)
    static = []
    for angle in (np.pi / 2, np.pi * 7 / 6, np.pi * 11 / 6):
        x, y = (reach + 45) * np.cos(angle), (reach + 45) * np.sin(angle)
        static.append(box((x - 12, y - 12, -60), (x + 12, y + 12, 600), metal))
    ring = [
        (reach + 45) * np.array([np.cos(a), np.sin(a)]) for a in (np.pi / 2, np.pi * 7 / 6, np.pi * 11 / 6)
    ]
    low = np.min(ring, axis=0), np.max(ring, axis=0)
    static.append(
        box((low[0][0], low[0][1], -60), (low[1][0], low[1][1], -30), tuple(v * 0.7 for v in metal))
    )
    carriage = [tube((0, 0, -6), reach + 2, 5.2, bed.edge, sides=40)]
    plate_z = between(rng, 16, 26)
    head, decals = random_head(rng, slim=True)
    effector = [tube((0, 0, plate_z), 32, 5, tint(rng, METALS + ACCENTS), sides=12), head]
    wires = ((np.array([0.0, reach, 500.0]), np.array([0, 4, 60]), 3.0),)
    return World(
        "delta",
        bed,
        refined(join(static), 5, rng),
        join(carriage),
        join(effector),
        decals,
        join([]),
        wires,
        True,
        False,
        -60.0,
    )
