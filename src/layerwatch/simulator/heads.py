"""Print heads of several makes, and the colours printers come in."""

from __future__ import annotations

import numpy as np

from layerwatch.simulator.meshes import Mesh, box, disc, frustum, join, plate, refined, tube
from layerwatch.simulator.randomness import Rng, between, choose, happens

METALS = [(0.1, 0.1, 0.11), (0.16, 0.16, 0.17), (0.55, 0.56, 0.58), (0.3, 0.31, 0.33)]
ACCENTS = [
    (0.85, 0.35, 0.05),
    (0.1, 0.35, 0.8),
    (0.8, 0.1, 0.1),
    (0.9, 0.75, 0.1),
    (0.1, 0.6, 0.25),
    (0.5, 0.2, 0.7),
]


def tint(rng: Rng, options: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    colour = np.array(options[int(rng.integers(len(options)))]) + rng.normal(0, 0.02, 3)
    r, g, b = np.clip(colour, 0.02, 1)
    return float(r), float(g), float(b)


def random_head(rng: Rng, *, slim: bool = False) -> tuple[Mesh, Mesh]:
    """Hot end, shroud, fans, ducts of one of several makes, nozzle tip at the origin; and its front face."""
    plain = [(0.05, 0.05, 0.055), (0.1, 0.1, 0.11), (0.16, 0.16, 0.17), (0.3, 0.31, 0.33), (0.82, 0.82, 0.8)]
    shell = tint(rng, plain if happens(rng, 0.75) else ACCENTS)
    dark = tuple(v * 0.45 for v in shell)
    wide, deep, tall = between(rng, 19, 31), between(rng, 17, 30), between(rng, 38, 66)
    if slim:
        wide, deep, tall = wide * 0.8, deep * 0.7, tall * 0.6
    low = between(rng, 7, 14)
    block = tint(rng, [(0.7, 0.7, 0.7), (0.75, 0.3, 0.2), (0.12, 0.12, 0.12), (0.2, 0.35, 0.7)])
    parts = [
        tube((0, 0, 0), 0.9, 3, (0.75, 0.6, 0.3), top=3.6, sides=10),
        box((-7, -7, 3), (7, 7, low + 2), block),
    ]
    make = choose(rng, {"box": 2.0, "shroud": 2.0, "open": 1.5})
    if make == "box":
        parts.append(box((-wide, -deep, low), (wide, deep, low + tall), shell))
        parts.append(
            box((-wide * 0.8, -deep * 0.7, low + tall), (wide * 0.8, deep * 0.8, low + tall * 1.25), dark)
        )
    elif make == "shroud":
        parts.append(
            frustum((-wide, -deep, low), (wide, deep, low + tall * 0.5), shell, between(rng, 0.35, 0.75))
        )
        parts.append(box((-wide, -deep, low + tall * 0.5), (wide, deep, low + tall), shell))
        parts.append(
            frustum((-wide * 0.9, -deep * 0.6, low + tall), (wide * 0.9, deep, low + tall * 1.4), dark, 1.15)
        )
    else:
        parts.append(box((-wide * 0.7, -2, low), (wide * 0.7, deep, low + tall * 1.1), shell))
        for fin in range(7):
            z = low + 6 + fin * 4.2
            parts.append(box((-11, -deep * 0.6, z), (11, 0, z + 2.2), (0.66, 0.67, 0.69)))
        parts.append(box((-16, -deep * 0.9, low + 4), (-12, 2, low + 38), dark))
        parts.append(box((wide * 0.5, -deep * 0.7, low + 12), (wide * 1.2, deep * 0.5, low + 58), dark))
    for side in (-1, 1):
        if happens(rng, 0.5):
            duct = frustum((-8, -9, low - 5), (8, 9, low + 14), dark, 0.45)
            parts.append(duct.moved(np.array([side * wide * 0.75, -deep * 0.6, 0])))
    if happens(rng, 0.4):
        parts.append(box((wide, -10, low - 5), (wide + 12, 12, low + 30), tint(rng, METALS)))
    decals: list[Mesh] = []
    front = -deep - 0.6
    if make != "open" and happens(rng, 0.8):
        radius = min(wide, tall / 2) * between(rng, 0.5, 0.85)
        middle = (between(rng, -3, 3), front, low + tall * between(rng, 0.5, 0.62))
        decals.append(disc(middle, radius, dark, inner=radius * 0.28))
        decals += [
            disc((middle[0], front - 0.4, middle[2]), radius * s, shell, inner=radius * (s - 0.07))
            for s in (0.5, 0.75, 1.0)
        ]
        for blade in np.linspace(0, 2 * np.pi, 7)[:-1]:
            x, z = np.cos(blade) * radius, np.sin(blade) * radius
            px, pz = -z * 0.12, x * 0.12
            edge = [(0, 0), (x * 0.95 + px, z * 0.95 + pz), (x * 0.95 - px, z * 0.95 - pz), (0, 0)]
            quad = [(middle[0] + u, front - 0.2, middle[2] + v) for u, v in edge]
            decals.append(plate(quad, (0, -1, 0), tuple(v * 0.6 for v in dark)))
    if happens(rng, 0.4):
        size = between(rng, 3, 7)
        x, z = between(rng, -wide * 0.6, wide * 0.6), low + tall * 0.55
        label = tint(rng, [(0.95, 0.85, 0.1), (0.9, 0.9, 0.9), *ACCENTS])
        y = front - 0.6
        corners = [(x - size, y, z), (x + size, y, z), (x, y, z + size * 1.7), (x, y, z + size * 1.7)]
        decals.append(plate(corners, (0, -1, 0), label))
    if happens(rng, 0.3):
        shine = tint(rng, [(0.95, 0.35, 0.4), (0.85, 0.85, 0.85), (0.2, 0.2, 0.22)])
        parts.append(tube((-wide - between(rng, 6, 12), -4, low - 2), 4.5, between(rng, 20, 38), shine))
    return refined(join(parts), 3, rng), join(decals)
