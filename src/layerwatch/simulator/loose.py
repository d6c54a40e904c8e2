"""Filament laid on air: spaghetti, and what follows every part that is no longer where it should be."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from layerwatch.simulator.geometry import Points
from layerwatch.simulator.processes import Failure, label_of
from layerwatch.simulator.randomness import Rng, between, happens
from layerwatch.simulator.scene import Scene, Strand
from layerwatch.simulator.slicer import Body, Print
from layerwatch.simulator.tangles import PITCH, STYLES, TangleStyle, droop, random_style, tangle


class Surface:
    """What loose filament falls on: the height of the print at a layer, on a grid of 2 mm."""

    def __init__(self, print_: Print, layer: int, without: int | None = None) -> None:
        self.span = 400.0
        image = Image.new("F", (200, 200), 0.0)
        draw = ImageDraw.Draw(image)
        for number, body in enumerate(print_.bodies):
            if number == without:
                continue
            for level in sorted({*range(0, min(layer, len(body.caps)), max(layer // 24, 1)), layer - 1}):
                if 0 <= level < len(body.caps):
                    for loop, hole in body.caps[level]:
                        if not hole:
                            flat = ((loop + self.span / 2) / 2).ravel().tolist()
                            draw.polygon(flat, (level + 1) * print_.step)
        self.grid = np.asarray(image)

    def __call__(self, points: Points) -> Points:
        cell = np.clip(((points + self.span / 2) / 2).astype(int), 0, 199)
        return np.asarray(self.grid[cell[:, 1], cell[:, 0]], dtype=float)


class Loose:
    """A strand that grows from `onset`: extruded into the air over `surface`, first fast, then as room runs
    out.
    """

    def __init__(
        self,
        rng: Rng,
        print_: Print,
        onset: float,
        surface: Surface,
        colour: Points,
        *,
        style: TangleStyle | None = None,
        metres: float = 9.0,
        body: Body | None = None,
        label: int = label_of("spaghetti"),
        carried: bool = False,
    ) -> None:
        self.onset, self.colour, self.label, self.surface = onset, colour, label, surface
        self.pace = between(rng, 700, 2600)
        self.carried = carried
        self.millimetres = metres * 1000
        count = int(self.millimetres / PITCH)
        layer = min(print_.reached(onset)[0], print_.count - 1)
        way = self._way(print_, layer, count, body, between(rng, 0.25, 1.0))
        ceiling = (layer + 1) * print_.step + between(rng, 0, 8)
        self.points = tangle(rng, style or random_style(rng), way, surface, ceiling)
        if carried:
            self.points = self._coil(rng, min(count, 900), ceiling)
        self.radius = (
            between(rng, 0.35, 0.75) if carried else float(rng.choice([0.18, 0.22, 0.25, 0.3, 0.38]))
        )
        self.hang = droop(rng, np.zeros(3), np.ones(3), 13, 0.15)

    @staticmethod
    def _coil(rng: Rng, count: int, height: float) -> Points:
        """A springy lump stuck to the nozzle, from its tip (the origin) down and to one side."""
        angle, reach = between(rng, 0, 2 * np.pi), between(rng, 8, 45)
        t = np.linspace(0, 1, count)[:, None]
        side = np.array([[np.cos(angle), np.sin(angle)]])
        way = side * reach * t + np.cumsum(rng.normal(0, 0.35, (count, 2)), axis=0) * 0.5
        points = tangle(rng, STYLES["springs"], way, lambda flat: np.zeros(len(flat)), height)
        t = np.linspace(0, 1, len(points))[:, None]
        drop = np.minimum(height, between(rng, 4, 25))
        points[:, 2] = points[:, 2] * 0.8 - drop * (1 - (1 - t[:, 0]) ** 2)
        return points

    @staticmethod
    def _way(print_: Print, layer: int, count: int, body: Body | None, advance: float) -> Points:
        pieces, length, number = [], 0.0, layer
        while length < count * PITCH * advance and number < layer + 12:
            path = print_.path(min(number, print_.count - 1))
            if body is not None:
                close = np.hypot(*(path - body.centre).T) < body.radius * 1.3
                path = path[close] if close.sum() > 4 else path
            pieces.append(path)
            length += float(np.hypot(*np.diff(path, axis=0).T).sum())
            number += 1
        way = np.concatenate(pieces)
        reach = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(way, axis=0).T))])
        wanted = np.mod(np.arange(count) * PITCH * advance, max(reach[-1], 1.0))
        return np.stack([np.interp(wanted, reach, way[:, 0]), np.interp(wanted, reach, way[:, 1])], axis=1)

    def length(self, second: float) -> float:
        """Millimetres of strand laid by `second`."""
        since = max(second - self.onset, 0.0)
        return self.millimetres * (1 - float(np.exp(-since / self.pace)))

    def add_to(self, scene: Scene, second: float) -> None:
        count = int(len(self.points) * self.length(second) / self.millimetres)
        if count < 10:
            return
        points = self.points[:count]
        if self.carried:
            points = points + scene.nozzle
            points[:, 2] = np.maximum(points[:, 2], 0.3)
            scene.strands.append(Strand(points, self.radius, self.colour, self.label))
            return
        scene.strands.append(Strand(points, self.radius, self.colour, self.label))
        if not scene.away and np.hypot(*(scene.nozzle[:2] - points[-1, :2])) < 60:
            t = np.linspace(0, 1, 13)[:, None]
            line = scene.nozzle * (1 - t) + points[-1] * t + self.hang * 6 * np.sin(np.pi * t)
            line[:, 2] = np.maximum(line[:, 2], 0.3)
            scene.strands.append(Strand(line, self.radius, self.colour, self.label))


class Spaghetti(Failure):
    """The part no longer takes the filament: it curls and piles up over the part, or over the bed."""

    name = "spaghetti"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, onset)
        several = sum(body.role == "object" for body in print_.bodies) > 1
        self.only_one = several and happens(rng, 0.5)
        body = print_.bodies[self.victim] if self.only_one else None
        surface = Surface(print_, self.layer)
        colour = colours[self.layer]
        metres = float(np.exp(rng.uniform(1.4, 3.3)))
        carried = happens(rng, 0.15)
        self.loose = Loose(rng, print_, onset, surface, colour, metres=metres, body=body, carried=carried)

    def growth(self, since: float) -> float:
        return 1 - float(np.exp(-self.loose.length(self.onset + since) / 2500))

    def apply(self, scene: Scene, second: float) -> None:
        for number, view in enumerate(scene.bodies):
            if not self.only_one or number == self.victim:
                self.stop(view)
        self.loose.add_to(scene, second)
