"""Failures of the print itself: warping, shifted layers, blobs, strings, too little plastic, a bed in use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.geometry import Points
from layerwatch.simulator.plates import random_print
from layerwatch.simulator.processes import Failure
from layerwatch.simulator.randomness import Rng, between, happens
from layerwatch.simulator.scene import Blob, BodyView, Scene, Strand
from layerwatch.simulator.slicer import Print
from layerwatch.simulator.tangles import droop


class Warping(Failure):
    """One to four corners curl up from the bed."""

    name = "warping"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, onset)
        body = print_.bodies[self.victim]
        foot = body.start[body.layer == body.first_layer]
        far = foot[np.argsort(-np.hypot(*(foot - body.centre).T))]
        corners = [far[0]]
        for _ in range(int(rng.integers(0, 4))):
            gaps = np.min([np.hypot(*(far - corner).T) for corner in corners], axis=0)
            if gaps.max() > body.radius * 0.7:
                corners.append(far[int(gaps.argmax())])
        self.corners = corners
        self.height, self.pace = between(rng, 3, 14), between(rng, 600, 3000)
        self.reach = body.radius * between(rng, 0.4, 0.7)

    def growth(self, since: float) -> float:
        return self.height * (1 - float(np.exp(-since / self.pace))) / 8

    def apply(self, scene: Scene, second: float) -> None:
        view = scene.bodies[self.victim]
        height = self.height * (1 - float(np.exp(-(second - self.onset) / self.pace)))
        top = max(view.layers * scene.step, height, 8.0)
        view.lift = [(float(x), float(y), height, self.reach, top) for x, y in self.corners]
        view.label = self.label
        corners, reach = np.array(self.corners), self.reach * 0.8

        def near(points: Points) -> NDArray[np.bool_]:
            away = np.hypot(*(points[:, None, :2] - corners).transpose(2, 0, 1)).min(axis=1)
            near_: NDArray[np.bool_] = (away < reach) & (points[:, 2] < height + 12)
            return near_

        view.label_where = near


class LayerShift(Failure):
    """From one layer on, everything is printed some millimetres aside; sometimes it happens again."""

    name = "layer_shift"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, onset)
        step = rng.normal(0, 1, 2) * (rng.random(2) < 0.75)
        step = np.array([1.0, 0.0]) if not step.any() else step / np.hypot(*step)
        self.shift = np.zeros((print_.count + 1, 2))
        self.shift[self.layer :] = step * between(rng, 3, 18)
        if happens(rng, 0.3):
            again = self.layer + int(rng.integers(3, 30))
            self.shift[again:] += step * between(rng, 2, 10)

    def growth(self, since: float) -> float:
        layers = self.print.reached(self.onset + since)[0] - self.layer
        return 0.25 + min(layers * self.print.step / 15, 1) * 0.75

    def apply(self, scene: Scene, second: float) -> None:
        for view in scene.bodies:
            view.shift = self.shift
            view.label, view.label_from = self.label, self.layer
        scene.nozzle = scene.nozzle + np.append(
            self.shift[min(self.print.reached(second)[0], self.print.count)], 0
        )


class NozzleBlob(Failure):
    """Plastic gathers around the nozzle; the part gets nothing more."""

    name = "blob"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, onset)
        self.lumps = rng.normal(0, 0.55, (int(rng.integers(3, 9)), 3))
        self.size, self.pace = between(rng, 8, 22), between(rng, 500, 2500)

    def growth(self, since: float) -> float:
        return (1 - float(np.exp(-since / self.pace))) * self.size / 12

    def apply(self, scene: Scene, second: float) -> None:
        for view in scene.bodies:
            self.stop(view)
        size = self.size * (1 - float(np.exp(-(second - self.onset) / self.pace)))
        colour = self.colours[self.layer]
        for lump in self.lumps:
            centre = lump * size * [1, 1, 0.6] + [0, -3, 2 + size * 0.3]
            scene.blobs.append(Blob(centre, size * 0.6 + 0.8, colour, self.label, on_nozzle=True))


class Stringing(Failure):
    """Fine hairs wherever the nozzle crosses a gap."""

    name = "stringing"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, onset)
        self.hairs: list[tuple[int, Points]] = []
        for layer in range(self.layer, print_.count):
            path = print_.path(layer)
            middle = path.mean(axis=0)
            for _ in range(int(rng.integers(2, 7))):
                a, b = path[rng.integers(len(path))], path[rng.integers(len(path))]
                if happens(rng, 0.4):
                    b = a + (a - middle) / max(float(np.hypot(*(a - middle))), 1) * between(rng, 5, 30)
                if np.hypot(*(a - b)) > 5:
                    z = (layer + 1) * print_.step
                    low = z - between(rng, 0, 14)
                    self.hairs.append(
                        (layer, droop(rng, np.append(a, z), np.append(b, max(low, 0.3)), 9, 2.0))
                    )
        self.hairs = [self.hairs[i] for i in sorted(rng.permutation(len(self.hairs))[:700])]

    def growth(self, since: float) -> float:
        layers = self.print.reached(self.onset + since)[0] - self.layer
        return 0.15 + min(layers / 40, 1) * 0.6

    def apply(self, scene: Scene, second: float) -> None:
        reached = self.print.reached(second)[0]
        for layer, points in self.hairs:
            if layer <= reached:
                scene.strands.append(Strand(points, 0.13, self.colours[layer], self.label))


class UnderExtrusion(Failure):
    """Too little plastic: walls with gaps, a rough and darker surface."""

    name = "under_extrusion"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, onset)
        self.most, self.pace = between(rng, 0.2, 0.7), int(rng.integers(2, 15))
        layers = np.arange(print_.count + 1)
        ramp = np.clip((layers - self.layer + 1) / self.pace, 0, 1) * (layers >= self.layer)
        self.gaps = np.clip(ramp * self.most * rng.uniform(0.5, 1.4, len(layers)), 0, 0.85)

    def growth(self, since: float) -> float:
        layers = self.print.reached(self.onset + since)[0] - self.layer
        return min((0.15 + layers * self.print.step / 12) * self.most / 0.5, 1.0)

    def apply(self, scene: Scene, second: float) -> None:
        for view in scene.bodies:
            view.gaps, view.label, view.label_from = self.gaps, self.label, self.layer
            view.colours = view.colours * (1 - 0.3 * self.gaps[: len(view.colours), None])
            view.current = None


class Runout(Failure):
    """The filament has run out: the head goes on and up over a part that no longer grows."""

    name = "runout"

    def growth(self, since: float) -> float:
        missing = self.print.reached(self.onset + since)[0] - self.layer
        return 0.1 + 0.9 * min(missing * self.print.step / 15, 1)

    def apply(self, scene: Scene, second: float) -> None:
        for view in scene.bodies:
            self.stop(view)
            if view.body.role == "object":
                view.label, view.label_from = self.label, max(view.layers - max(int(3 / scene.step), 1), 0)


class BedNotClear(Failure):
    """An earlier part still stands on the bed when the print starts. Its onset is the start."""

    name = "bed_not_clear"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, 0.0)
        self.left = random_print(int(rng.integers(2**31)), (110, 110))
        self.colour = np.clip(rng.random(3), 0.05, 0.95)
        body = self.left.bodies[0]
        places = [
            np.array([np.cos(a), np.sin(a)]) * between(rng, 40, 95) for a in rng.uniform(0, 2 * np.pi, 24)
        ]

        def room(place: Points) -> float:
            return min(
                float(np.hypot(*(place - other.centre))) - other.radius - body.radius
                for other in print_.bodies
            )

        self.offset = np.append(max(places, key=lambda place: min(room(place), 8.0)) - body.centre, 0.0)

    def growth(self, since: float) -> float:
        return 0.8

    def apply(self, scene: Scene, second: float) -> None:
        body = self.left.bodies[0]
        view = BodyView(body, body.top_layer, np.tile(self.colour, (body.top_layer + 1, 1)))
        view.offset = self.offset
        view.label = self.label
        view.stretch = self.left.step / scene.step
        scene.bodies.append(view)
