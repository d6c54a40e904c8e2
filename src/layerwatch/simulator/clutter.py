"""Honest things that look like trouble: purged curls, scraps, spools with loose ends, brushes, lit strips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerwatch.simulator.geometry import Points
from layerwatch.simulator.meshes import Mesh, box, join, tube
from layerwatch.simulator.randomness import Rng, between, choose, happens, stream
from layerwatch.simulator.scene import Strand
from layerwatch.simulator.tangles import STYLES, tangle
from layerwatch.simulator.worlds import World

KINDS: dict[str, float] = {"purge": 1.0, "scraps": 0.8, "spool": 1.2, "brush": 0.5, "lamp": 0.8, "cable": 1.0}


def with_clutter(world: World, seed: int, filament: Points) -> World:
    """`world` with things lying about, none of them a failure; filament: RGB of what is printed."""
    half, deep, floor = world.bed.width / 2, world.bed.depth / 2, world.floor
    rng = stream(seed, "clutter")
    meshes: list[Mesh] = []
    strands: list[Strand] = []
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.45, 0.3, 0.17, 0.08]))):
        kind = choose(rng, KINDS)
        if kind == "spool" and world.enclosed:
            kind = "lamp"
        colour = filament if happens(rng, 0.6) else np.clip(rng.random(3), 0.05, 0.95)
        side = float(rng.choice([-1.0, 1.0]))
        spot = np.array([side * (half + between(rng, 18, 60)), between(rng, -deep, deep)])
        if kind == "purge":
            strands.append(_curls(rng, spot, floor, colour, int(rng.integers(60, 260))))
        elif kind == "scraps":
            for _ in range(int(rng.integers(3, 12))):
                place = np.array([between(rng, -half, half), -deep - between(rng, 25, 120)])
                strands.append(_curls(rng, place, floor, colour, int(rng.integers(8, 30))))
        elif kind == "spool":
            meshes.append(_spool(rng, np.array([spot[0] + side * 30, spot[1] + 60, floor]), colour))
            strands.append(_loose_end(rng, np.append(spot, floor + 120), colour))
        elif kind == "brush":
            place = np.array([side * (half + 8), deep * 0.8])
            low, high = np.append(place - 6, -8.0), np.append(place + 6, 2.0)
            meshes.append(box(low.tolist(), high.tolist(), (0.8, 0.5, 0.1)))
            for bristle in rng.uniform(-5, 5, (60, 2)):
                foot = np.append(place + bristle, 2.0)
                tip = foot + np.append(rng.normal(0, 1.5, 2), 10.0)
                strands.append(Strand(np.linspace(foot, tip, 5), 0.25, np.array([0.75, 0.6, 0.25])))
        elif kind == "lamp":
            lit = (2.6, 2.6, 2.5)
            meshes.append(box([-half, deep + 12, half * 0.4], [half, deep + 15, half * 0.4 + 5], lit))
        else:
            strands += [_cable(rng, half, deep, floor) for _ in range(int(rng.integers(1, 4)))]
    return replace(world, static=join([world.static, *meshes]), litter=tuple(strands))


def _curls(rng: Rng, spot: Points, floor: float, colour: Points, count: int) -> Strand:
    way = spot + np.cumsum(rng.normal(0, 0.4, (count, 2)), axis=0)
    points = tangle(rng, STYLES["springs"], way, lambda flat: np.zeros(len(flat)), 20.0)
    return Strand(points + np.array([0, 0, floor]), float(rng.choice([0.3, 0.6, 0.9])), colour)


def _spool(rng: Rng, foot: Points, colour: Points) -> Mesh:
    radius, wide = between(rng, 60, 100), between(rng, 35, 65)
    rim = (between(rng, 0.03, 0.85),) * 3
    x, y, z = (float(value) for value in foot)
    return join(
        [
            tube((x, y, z), radius, 4, rim, sides=28),
            tube((x, y, z + 4), radius * between(rng, 0.6, 0.95), wide, colour.tolist(), sides=28),
            tube((x, y, z + 4 + wide), radius, 4, rim, sides=28),
        ]
    )


def _loose_end(rng: Rng, top: Points, colour: Points) -> Strand:
    """A length of filament arching from a spool up towards the printer."""
    t = np.linspace(0, 1, 41)[:, None]
    away = np.array([-np.sign(top[0]) * between(rng, 40, 160), between(rng, -30, 80), between(rng, 100, 320)])
    bow = np.array([np.sign(top[0]), 0, 0.5]) * between(rng, 20, 90)
    return Strand(top + away * t + bow * np.sin(np.pi * t), 0.9, colour)


def _cable(rng: Rng, half: float, deep: float, floor: float) -> Strand:
    start = np.array([between(rng, -half, half), deep + 20, between(rng, floor, 80)])
    end = np.array([rng.choice([-1, 1]) * (half + 30), between(rng, -deep, deep), floor + 2])
    t = np.linspace(0, 1, 41)[:, None]
    wave = np.sin(t * np.pi * rng.uniform(1, 4, 3) + rng.uniform(0, 6, 3)) * [25, 25, 12] * np.sin(np.pi * t)
    shade = np.clip(np.array(rng.choice([0.05, 0.08, 0.15, 0.8])) + rng.normal(0, 0.02, 3), 0.02, 0.95)
    return Strand(start + (end - start) * t + wave, between(rng, 1.0, 3.0), shade)
