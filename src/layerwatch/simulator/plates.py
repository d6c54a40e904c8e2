"""Random plates: one to six objects with supports, skirt, brim, prime line and purge tower around them."""

from __future__ import annotations

import numpy as np

from layerwatch.simulator.geometry import Points, Solid, circle, extent, loft, random_object, rectangle
from layerwatch.simulator.randomness import Rng, between, choose, happens, stream
from layerwatch.simulator.slicer import DRAWN_LAYERS, Body, Print, body_from_loops


def body_from_solids(role: str, solids: list[Solid], step: float, count: int) -> Body:
    layers: list[list[tuple[Points, bool]]] = []
    for number in range(count):
        z = (number + 0.5) * step
        loops: list[tuple[Points, bool]] = []
        for solid in solids:
            if solid.bottom <= z < solid.top:
                loops.append((solid.outline(z), False))
                loops += [(hole, True) for hole in solid.hole_outlines(z)]
        layers.append(loops)
    return body_from_loops(role, layers)


def _supports(rng: Rng, solids: list[Solid], step: float, count: int) -> list[Body]:
    """Zigzag walls under a wide part, or leaning tree columns beside it."""
    low, high = extent(solids)
    height = max(solid.top for solid in solids) * between(rng, 0.4, 0.85)
    if happens(rng, 0.6):
        width, depth = (high - low) * rng.uniform(0.25, 0.7, 2)
        middle = (low + high) / 2 + (high - low) * rng.uniform(-0.4, 0.4, 2)
        rows = int(max(width / 3.2, 3))
        zigzag = np.array(
            [
                [(row / rows - 0.5) * width, (0.5 if row % 4 in (1, 2) else -0.5) * depth]
                for row in range(rows)
            ]
        )
        layers = [[(zigzag + middle, False)] if (n + 0.5) * step < height else [] for n in range(count)]
        return [body_from_loops("support", layers, thin=True)]
    columns = []
    for _ in range(int(rng.integers(2, 6))):
        foot = (low + high) / 2 + (high - low) * rng.uniform(-0.8, 0.8, 2)
        lean = ((low + high) / 2 - foot) * 0.6
        column = loft("tree", circle(between(rng, 2.5, 6), 14), height, lean=(lean[0], lean[1]))
        columns.append(column.moved(foot[0], foot[1]))
    return [body_from_solids("support", columns, step, count)]


def _ring_around(body_low: Points, body_high: Points, gap: float) -> Points:
    low, high = body_low - gap, body_high + gap
    return np.array([low, [high[0], low[1]], high, [low[0], high[1]], low])


def random_print(
    seed: int, bed: tuple[float, float], *, shape: str | None = None, duration: float | None = None
) -> Print:
    """A random plate that fits `bed` (mm by mm): one to six objects with what a slicer adds around them."""
    rng = stream(seed, "print")
    pieces = choose(rng, {1: 6.0, 2: 1.5, 3: 1.0, 4: 1.0, 6: 0.5})
    first = random_object(rng, shape)
    same = happens(rng, 0.6)
    plate = [first] + [first if same else random_object(rng, shape) for _ in range(pieces - 1)]
    low, high = extent(first)
    room = np.array(bed) * 0.9
    columns = int(np.ceil(np.sqrt(pieces)))
    rows = int(np.ceil(pieces / columns))
    shrink = 1.0
    for solids in plate:
        low, high = extent(solids)
        shrink = min(shrink, *(room / np.array([columns, rows]) * 0.8 / (high - low)))
    offset = rng.uniform(-1, 1, 2) * (room / 2 - 0.5 * room / np.array([columns, rows])) * 0.5 * (pieces == 1)
    placed: list[list[Solid]] = []
    cell = np.minimum(room / np.array([columns, rows]), (high - low) * shrink * between(rng, 1.2, 1.8) + 6)
    for number, solids in enumerate(plate):
        low, high = extent(solids)
        spot = (np.array([number % columns, number // columns]) - (np.array([columns, rows]) - 1) / 2) * cell
        spot = spot + offset - (low + high) / 2 * shrink
        placed.append([_scaled(solid, shrink).moved(spot[0], spot[1]) for solid in solids])
    height = max(solid.top for solids in placed for solid in solids)
    layer_height = float(rng.choice([0.12, 0.16, 0.2, 0.2, 0.2, 0.28, 0.3]))
    step = max(layer_height, height / DRAWN_LAYERS)
    count = max(int(height / step), 1)
    bodies = [body_from_solids("object", solids, step, count) for solids in placed]
    if "arch" in plate[0][0].name or happens(rng, 0.3):
        bodies += _supports(rng, placed[0], step, count)
    low, high = extent([solid for solids in placed for solid in solids])
    if happens(rng, 0.15):
        spot = np.array([high[0] + 18, high[1] + 12])
        if np.all(np.abs(spot) < np.array(bed) / 2 - 8):
            size = between(rng, 14, 34)
            tower = loft("tower", rectangle(size, size * 0.7), height * between(rng, 0.8, 1.0))
            bodies.append(body_from_solids("tower", [tower.moved(spot[0], spot[1])], step, count))
    strips = []
    edge = np.array(bed) / 2
    if happens(rng, 0.5):
        x = -edge[0] + between(rng, 3, 12)
        strips.append(
            np.array(
                [[x, -edge[1] * 0.8], [x, edge[1] * 0.3], [x + 1, edge[1] * 0.3], [x + 1, -edge[1] * 0.8]]
            )
        )
    if happens(rng, 0.4):
        strips.append(_ring_around(low, high, between(rng, 3, 8)))
    if happens(rng, 0.3):
        for gap in np.arange(0.6, between(rng, 3, 7), 0.7):
            for solids in placed:
                outline = solids[0].outline(solids[0].bottom)
                middle = outline.mean(axis=0)
                away = outline - middle
                grown = outline + away / np.maximum(np.hypot(*away.T)[:, None], 1) * gap
                strips.append(np.vstack([grown, grown[:1]]))
    infill = between(rng, 1.5, 7)
    print_ = Print(plate[0][0].name, bodies, strips, step, count * step, layer_height, 1.0, infill)
    volume_time = sum(float(np.hypot(*(b.end - b.start).T).sum()) for b in bodies) * step / layer_height / 45
    print_.duration = duration or float(np.clip(volume_time * between(rng, 1.0, 2.5), 1800, 12 * 3600))
    return print_


def _scaled(solid: Solid, factor: float) -> Solid:
    return Solid(
        solid.name, solid.levels * factor, solid.rings * factor, tuple(h * factor for h in solid.holes)
    )
