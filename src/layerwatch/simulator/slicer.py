"""A small slicer: solids → layers of perimeters, infill, brim, skirt, supports and purge tower, with their time.

Layers are drawn a few at a time (`Print.step`): a webcam does not resolve 0.2 mm, and a tall print keeps about
a hundred drawn layers whatever its height.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.geometry import (
    Points,
    Solid,
    circle,
    extent,
    loft,
    random_object,
    rectangle,
)
from layerwatch.simulator.randomness import Rng, between, choose, happens, stream

DRAWN_LAYERS = 96
"""Layers drawn at most for one print; tuned by eye at 640x480."""
BEAD = 0.45
"""Width of an extruded bead, mm."""


@dataclass
class Body:
    """One connected printed thing as wall segments by drawn layer; moves as one when it comes loose.

    start, end: (M, 2) wall segments, the solid on their left (drawn from both sides where `thin`);
    layer: (M,) drawn layer of each, ascending; caps: by layer, outlines to fill, each with whether it is a hole.
    """

    role: str
    start: Points
    end: Points
    layer: NDArray[np.intp]
    caps: list[list[tuple[Points, bool]]]
    thin: bool = False
    centre: Points = field(default_factory=lambda: np.zeros(2))
    radius: float = 10.0

    @cached_property
    def top_layer(self) -> int:
        """One more than the last drawn layer with anything in it."""
        return int(self.layer[-1]) + 1 if len(self.layer) else 0

    @cached_property
    def first_layer(self) -> int:
        return int(self.layer[0]) if len(self.layer) else 0


def body_from_loops(role: str, layers: list[list[tuple[Points, bool]]], *, thin: bool = False) -> Body:
    """A body from outlines by layer; each outline is (points, is_hole); thin ones are open lines without caps."""
    starts, ends, numbers = [], [], []
    for number, loops in enumerate(layers):
        for loop, hole in loops:
            points = loop if thin else (loop[::-1] if (loop_area(loop) > 0) == hole else loop)
            following = points[1:] if thin else np.roll(points, -1, axis=0)
            starts.append(points[: len(following)])
            ends.append(following)
            numbers.append(np.full(len(following), number))
    if not starts:
        empty = np.zeros((0, 2))
        return Body(role, empty, empty, np.zeros(0, dtype=np.intp), [[] for _ in layers], thin)
    start, end = np.concatenate(starts), np.concatenate(ends)
    low, high = start.min(axis=0), start.max(axis=0)
    return Body(
        role,
        start,
        end,
        np.concatenate(numbers).astype(np.intp),
        [[] for _ in layers] if thin else layers,
        thin,
        (low + high) / 2,
        float(np.hypot(*(high - low)) / 2),
    )


def loop_area(loop: Points) -> float:
    """Signed area, mm²: above 0 where the loop runs counter-clockwise."""
    x, y = loop.T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def hatch(loops: list[Points], angle: float, spacing: float) -> Points:
    """Infill: parallel lines (n, 2, 2) inside `loops` by the even-odd rule, at `angle` radians."""
    if not loops:
        return np.zeros((0, 2, 2))
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = [loop @ matrix for loop in loops]
    a = np.concatenate(turned)
    b = np.concatenate([np.roll(loop, -1, axis=0) for loop in turned])
    rows = np.arange(np.ceil(a[:, 1].min() / spacing), a[:, 1].max() / spacing) * spacing + 1e-6
    lines = []
    for row in rows:
        crossing = (a[:, 1] > row) != (b[:, 1] > row)
        p, q = a[crossing], b[crossing]
        xs = np.sort(p[:, 0] + (row - p[:, 1]) * (q[:, 0] - p[:, 0]) / (q[:, 1] - p[:, 1]))
        for left, right in zip(xs[0::2], xs[1::2], strict=False):
            if right - left > spacing / 3:
                ends = [(left, row), (right, row)]
                lines.append(ends if len(lines) % 2 == 0 else ends[::-1])
    return np.array(lines).reshape(-1, 2, 2) @ matrix.T if lines else np.zeros((0, 2, 2))


@dataclass
class Print:
    """What is printed and when: bodies, flat strips of the first layer, and the time that each layer takes.

    step: mm between drawn layers; height: mm; layer_height: mm of the real layers that the truth counts.
    """

    name: str
    bodies: list[Body]
    strips: list[Points]
    step: float
    height: float
    layer_height: float
    duration: float
    infill: float = 4.0
    given: dict[int, tuple[Points, NDArray[np.bool_]]] | None = None
    """Ways by drawn layer in place of planned ones (see `way`)."""
    times: Points | None = None
    """Share of the duration at which each drawn layer is done, in place of an estimate from lengths."""
    paths: dict[int, tuple[Points, NDArray[np.bool_]]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Drawn layers."""
        return max(body.top_layer for body in self.bodies)

    @cached_property
    def ends(self) -> Points:
        """Second at which each drawn layer is done, (count,)."""
        if self.times is not None:
            return np.asarray(self.times[: self.count] / self.times[self.count - 1] * self.duration)
        lengths = np.full(self.count, 60.0)
        for body in self.bodies:
            each = np.hypot(*(body.end - body.start).T)
            lengths += np.bincount(body.layer, each, minlength=self.count)[: self.count] * 2
            for number, caps in enumerate(body.caps[: self.count]):
                lengths[number] += (
                    sum(abs(loop_area(loop)) * (-1 if hole else 1) for loop, hole in caps) / self.infill
                )
        lengths[0] *= 2.5
        done = np.cumsum(lengths)
        return np.asarray(done / done[-1] * self.duration)

    def reached(self, second: float) -> tuple[int, float]:
        """Drawn layer being printed at `second`, and the share of it that is done; (count, 0.0) when finished."""
        number = int(np.searchsorted(self.ends, second, side="right"))
        if number >= self.count:
            return self.count, 0.0
        begin = self.ends[number - 1] if number else 0.0
        return number, float((second - begin) / max(self.ends[number] - begin, 1e-9))

    def loops(self, number: int) -> list[tuple[Body, list[tuple[Points, bool]]]]:
        return [(body, body.caps[number]) for body in self.bodies if number < len(body.caps)]

    def path(self, number: int) -> Points:
        """The nozzle's way (n, 2) through drawn layer `number`: perimeters, then infill, body by body."""
        return self.way(number)[0]

    def way(self, number: int) -> tuple[Points, NDArray[np.bool_]]:
        """The nozzle's way (n, 2), and for each point whether plastic is laid on the way to it."""
        if self.given is not None and number in self.given:
            return self.given[number]
        if number in self.paths:
            return self.paths[number]
        pieces: list[Points] = list(self.strips) if number == 0 else []
        for body in self.bodies:
            if body.thin:
                pieces.append(body.start[body.layer == number])
                continue
            if number >= len(body.caps) or not body.caps[number]:
                continue
            loops = [loop for loop, _ in body.caps[number]]
            pieces += [np.vstack([loop, loop[:1]]) for loop in loops]
            pieces += list(hatch(loops, (0.785, 2.356)[number % 2], self.infill))
        pieces = [piece for piece in pieces if len(piece)]
        if not pieces:
            pieces = [np.array([self.bodies[0].centre, self.bodies[0].centre + 1.0])]
        lays = np.ones(sum(map(len, pieces)), dtype=bool)
        lays[np.cumsum([0] + [len(piece) for piece in pieces[:-1]])] = False
        if len(self.paths) > 64:
            self.paths.clear()
        self.paths[number] = (np.concatenate(pieces), lays)
        return self.paths[number]

    def nozzle(self, second: float) -> Points:
        """Where the nozzle's tip is at `second`: x, y, z in the bed's frame."""
        number, share = self.reached(second)
        if number >= self.count:
            return np.array([0.0, 0.0, self.height + 20])
        path = self.path(number)
        return np.append(along(path, share), (number + 1) * self.step)


def along(path: Points, share: float) -> Points:
    """The point at `share` (0..1) of the length of `path` (n, d)."""
    reach = np.concatenate([[0.0], np.cumsum(np.sqrt((np.diff(path, axis=0) ** 2).sum(axis=1)))])
    want = share * reach[-1]
    return np.array([np.interp(want, reach, path[:, axis]) for axis in range(path.shape[1])])


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
