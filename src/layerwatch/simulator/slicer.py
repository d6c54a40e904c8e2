"""A small slicer: solids → layers of perimeters, infill, brim, skirt, supports and purge tower, with their
time.

Layers are drawn a few at a time (`Print.step`): a webcam does not resolve 0.2 mm, and a tall print keeps
about a hundred drawn layers whatever its height.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.geometry import Points

DRAWN_LAYERS = 96
"""Layers drawn at most for one print; tuned by eye at 640x480."""


@dataclass
class Body:
    """One connected printed thing as wall segments by drawn layer; moves as one when it comes loose.

    start, end: (M, 2) wall segments, the solid on their left (drawn from both sides where `thin`);
    layer: (M,) drawn layer of each, ascending; caps: by layer, outlines to fill, each with whether it is a
    hole.
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

    @cached_property
    def outlines(self) -> list[list[tuple[Points, int]]]:
        """By layer, what fills it: closed outlines (n, 2), each with its holes cut in by a seam, and how many
        of the points are its rim.
        """
        return [_seamed(cap) for cap in self.caps]


def _seamed(cap: list[tuple[Points, bool]]) -> list[tuple[Points, int]]:
    groups: list[list[Points]] = []
    for loop, hole in cap:
        if hole and groups:
            groups[-1] += [loop, loop[:1], groups[-1][0][:1]]
        else:
            groups.append([loop, loop[:1]])
    return [(np.concatenate(group), len(group[0])) for group in groups]


def body_from_loops(role: str, layers: list[list[tuple[Points, bool]]], *, thin: bool = False) -> Body:
    """A body from outlines by layer; each outline is (points, is_hole); thin ones are open lines without
    caps.
    """
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
    lines: list[list[tuple[float, float]]] = []
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
        """Drawn layer being printed at `second`, and the share of it that is done; (count, 0.0) when
        finished.
        """
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
