"""Failures as processes: each has an onset, grows, and changes what stands on the bed.

The kinds here are finer than the detector's; `KIND_OF` says which of the detector's kinds each is seen as.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from PIL import Image, ImageDraw

from layerwatch.simulator.geometry import Points
from layerwatch.simulator.randomness import Rng, between, choose, happens
from layerwatch.simulator.scene import Blob, BodyView, Scene, Strand
from layerwatch.simulator.slicer import Body, Print, random_print
from layerwatch.simulator.tangles import PITCH, TangleStyle, droop, random_style, tangle

LABELS: tuple[str, ...] = (
    "spaghetti",
    "detachment",
    "warping",
    "layer_shift",
    "blob",
    "stringing",
    "under_extrusion",
    "bed_not_clear",
)
"""The detector's kinds, in the order of `layerwatch.vision.evidence.KINDS`; a mask holds index + 1."""

KIND_OF: dict[str, str] = {
    "spaghetti": "spaghetti",
    "detachment": "detachment",
    "warping": "warping",
    "layer_shift": "layer_shift",
    "blob": "blob",
    "stringing": "stringing",
    "under_extrusion": "under_extrusion",
    "runout": "under_extrusion",
    "support_collapse": "spaghetti",
    "knocked_over": "detachment",
    "picked_up": "detachment",
    "bed_not_clear": "bed_not_clear",
}
FAILURES: tuple[str, ...] = tuple(KIND_OF)


def label_of(kind: str) -> int:
    return LABELS.index(kind) + 1


class Failure(ABC):
    """onset: second of the print at which it begins. `severity` never falls; `apply` changes a scene in place."""

    name: str

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        self.rng, self.print, self.colours, self.onset = rng, print_, colours, onset
        self.layer, self.share = print_.reached(onset)
        self.layer = min(self.layer, print_.count - 1)
        self.label = label_of(KIND_OF[self.name])
        objects = [
            i
            for i, body in enumerate(print_.bodies)
            if body.role == "object" and body.first_layer <= self.layer
        ]
        self.victim = int(rng.choice(objects)) if objects else 0

    @property
    def kind(self) -> str:
        return KIND_OF[self.name]

    def severity(self, second: float) -> float:
        """0 before the onset, then rising towards 1."""
        return 0.0 if second < self.onset else float(np.clip(self.growth(second - self.onset), 0.0, 1.0))

    @abstractmethod
    def growth(self, since: float) -> float: ...

    @abstractmethod
    def apply(self, scene: Scene, second: float) -> None: ...

    def stop(self, view: BodyView, layer: int | None = None) -> None:
        """Nothing more is laid on `view` from the onset's layer on."""
        limit = self.layer if layer is None else layer
        if view.layers >= limit:
            view.layers, view.current = limit, None


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
    """A strand that grows from `onset`: extruded into the air over `surface`, first fast, then as room runs out."""

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
    ) -> None:
        self.onset, self.colour, self.label, self.surface = onset, colour, label, surface
        self.pace = between(rng, 700, 2600)
        count = int(metres * 1000 / PITCH)
        layer = min(print_.reached(onset)[0], print_.count - 1)
        way = self._way(print_, layer, count, body, between(rng, 0.25, 1.0))
        ceiling = (layer + 1) * print_.step + between(rng, 0, 8)
        self.points = tangle(rng, style or random_style(rng), way, surface, ceiling)
        self.radius = float(rng.choice([0.18, 0.22, 0.25, 0.3, 0.38]))
        self.hang = droop(rng, np.zeros(3), np.ones(3), 13, 0.15)

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

    def laid(self, second: float) -> int:
        """Points laid by `second`."""
        since = max(second - self.onset, 0.0)
        return int(len(self.points) * (1 - np.exp(-since / self.pace)))

    def add_to(self, scene: Scene, second: float) -> None:
        count = self.laid(second)
        if count < 10:
            return
        points = self.points[:count]
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
        self.loose = Loose(
            rng, print_, onset, surface, colour, metres=float(np.exp(rng.uniform(1.4, 3.3))), body=body
        )

    def growth(self, since: float) -> float:
        return 1 - float(np.exp(-self.loose.laid(self.onset + since) * PITCH / 2500))

    def apply(self, scene: Scene, second: float) -> None:
        for number, view in enumerate(scene.bodies):
            if not self.only_one or number == self.victim:
                self.stop(view)
        self.loose.add_to(scene, second)


def _turn(axis: Points, angle: float) -> Points:
    """Rotation matrix about a unit axis (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _about(view: BodyView, pivot: Points, turn: Points) -> None:
    """Turn `view` about a point of the bed's frame."""
    view.turn = turn @ view.turn
    view.offset = turn @ (view.offset - pivot) + pivot


class Detachment(Failure):
    """The part comes off the bed, slides and tilts with the nozzle; what follows is laid on air."""

    name = "detachment"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, onset)
        body = print_.bodies[self.victim]
        angle = between(rng, 0, 2 * np.pi)
        self.way = np.array([np.cos(angle), np.sin(angle), 0]) * between(rng, 6, 45)
        self.spin = rng.normal(0, 0.5)
        self.tilt = between(rng, 0, 0.3) if happens(rng, 0.5) else 0.0
        self.jerks = np.sort(rng.uniform(0, 400, 7))
        self.jerks[0] = 0.0
        self.loose: Loose | None = None
        if happens(rng, 0.75):
            delay = between(rng, 20, 200)
            surface = Surface(print_, self.layer, without=self.victim)
            colour = colours[self.layer]
            self.loose = Loose(
                rng, print_, onset + delay, surface, colour, metres=between(rng, 2, 8), body=body
            )

    def moved(self, since: float) -> float:
        """Share of the way gone, in jerks as the nozzle hits the part."""
        return float(np.searchsorted(self.jerks, since, side="right")) / len(self.jerks)

    def growth(self, since: float) -> float:
        more = self.loose.laid(self.onset + since) * PITCH / 4000 if self.loose else 0.0
        return 0.45 + 0.4 * self.moved(since) + 0.15 * (1 - float(np.exp(-more)))

    def apply(self, scene: Scene, second: float) -> None:
        view = scene.bodies[self.victim]
        self.stop(view)
        share = self.moved(second - self.onset)
        centre = np.append(view.body.centre, 0.0)
        _about(view, centre, _turn(np.array([0, 0, 1.0]), self.spin * share))
        if self.tilt:
            way = self.way / np.linalg.norm(self.way)
            axis = np.array([-way[1], way[0], 0])
            _about(view, centre + way * view.body.radius * 0.6, _turn(axis, self.tilt * share))
        view.offset = view.offset + self.way * share
        view.label, view.label_from = self.label, 0
        if self.loose:
            self.loose.add_to(scene, second)


class KnockedOver(Failure):
    """The nozzle catches the part and tips it onto its side; the print goes on in the air."""

    name = "knocked_over"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, onset)
        self.angle = between(rng, 0, 2 * np.pi)
        self.rest = between(rng, 1.25, 1.57)
        self.slide = between(rng, 5, 40)
        surface = Surface(print_, self.layer, without=self.victim)
        body = print_.bodies[self.victim]
        delay = between(rng, 5, 90)
        self.loose = Loose(
            rng, print_, onset + delay, surface, colours[self.layer], metres=between(rng, 2, 8), body=body
        )

    def growth(self, since: float) -> float:
        return 0.6 + 0.25 * min(since / 20, 1) + 0.15 * (1 - float(np.exp(-since / 600)))

    def apply(self, scene: Scene, second: float) -> None:
        view, since = scene.bodies[self.victim], second - self.onset
        self.stop(view)
        way = np.array([np.cos(self.angle), np.sin(self.angle), 0])
        foot = view.body.start[view.body.layer == view.body.first_layer]
        reach = float(((foot - view.body.centre) @ way[:2]).max()) if len(foot) else view.body.radius
        pivot = np.append(view.body.centre, 0.0) + way * reach
        share = min(since / 6, 1.0)
        _about(view, pivot, _turn(np.array([-way[1], way[0], 0]), self.rest * share**2))
        view.offset = view.offset + way * self.slide * min(since / 40, 1.0)
        low = view.to_bed(np.hstack([view.body.end, (view.body.layer * scene.step)[:, None]]))
        view.offset = view.offset - np.array([0, 0, min(float(low[:, 2].min()), 0.0)])
        view.label = self.label
        self.loose.add_to(scene, second)


class PickedUp(Failure):
    """The part sticks to the nozzle and travels with it, above the bed."""

    name = "picked_up"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, onset)
        self.start = print_.nozzle(onset)
        self.lean = rng.normal(0, 0.25, 2)
        self.height = between(rng, 1, 6)

    def growth(self, since: float) -> float:
        return 0.7 + 0.3 * min(since / 60, 1)

    def apply(self, scene: Scene, second: float) -> None:
        view, since = scene.bodies[self.victim], second - self.onset
        self.stop(view)
        grip = np.append(self.start[:2], view.layers * scene.step)
        share = min(since / 20, 1.0)
        _about(view, grip, _turn(np.array([1.0, 0, 0]), self.lean[0] * share))
        _about(view, grip, _turn(np.array([0, 1.0, 0]), self.lean[1] * share))
        view.offset = view.offset + scene.nozzle - grip + np.array([0, 0, self.height * share - 0.3])
        low = view.to_bed(np.hstack([view.body.end, (view.body.layer * scene.step)[:, None]]))[:, 2].min()
        view.offset = view.offset - np.array([0, 0, min(float(low), 0.0)])
        view.label = self.label


class Warping(Failure):
    """One or two corners curl up from the bed."""

    name = "warping"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, onset)
        body = print_.bodies[self.victim]
        foot = body.start[body.layer == body.first_layer]
        far = foot[np.argsort(-np.hypot(*(foot - body.centre).T))]
        corners = [far[0]]
        if happens(rng, 0.5):
            apart = far[np.hypot(*(far - far[0]).T) > body.radius]
            corners += list(apart[:1])
        self.corners = corners
        self.height, self.pace = between(rng, 3, 14), between(rng, 600, 3000)
        self.reach = body.radius * between(rng, 0.45, 0.8)

    def growth(self, since: float) -> float:
        return self.height * (1 - float(np.exp(-since / self.pace))) / 8

    def apply(self, scene: Scene, second: float) -> None:
        view = scene.bodies[self.victim]
        height = self.height * (1 - float(np.exp(-(second - self.onset) / self.pace)))
        view.lift = [(float(x), float(y), height, self.reach) for x, y in self.corners]
        view.label = self.label
        corners, reach = np.array(self.corners), self.reach * 0.8

        def near(points: Points):  # type: ignore[no-untyped-def]
            away = np.hypot(*(points[:, None, :2] - corners).transpose(2, 0, 1)).min(axis=1)
            return (away < reach) & (points[:, 2] < height + 12)

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


class SupportCollapse(Failure):
    """A support tips over, and what it should have held is printed as loose strands."""

    name = "support_collapse"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, onset)
        supports = [i for i, body in enumerate(print_.bodies) if body.role == "support"]
        self.fallen = supports[0] if supports else self.victim
        self.angle, self.rest = between(rng, 0, 2 * np.pi), between(rng, 0.5, 1.4)
        surface = Surface(print_, self.layer)
        body = print_.bodies[self.fallen]
        delay = between(rng, 10, 300)
        self.loose = Loose(
            rng, print_, onset + delay, surface, colours[self.layer], metres=between(rng, 1.5, 6), body=body
        )

    def growth(self, since: float) -> float:
        return 0.3 + 0.7 * (1 - float(np.exp(-self.loose.laid(self.onset + since) * PITCH / 2500)))

    def apply(self, scene: Scene, second: float) -> None:
        view, since = scene.bodies[self.fallen], second - self.onset
        self.stop(view)
        way = np.array([np.cos(self.angle), np.sin(self.angle), 0])
        pivot = np.append(view.body.centre, 0.0) + way * view.body.radius * 0.4
        _about(view, pivot, _turn(np.array([-way[1], way[0], 0]), self.rest * min(since / 30, 1) ** 2))
        low = view.to_bed(np.hstack([view.body.end, (view.body.layer * scene.step)[:, None]]))[:, 2].min()
        view.offset = view.offset - np.array([0, 0, min(float(low), 0.0)])
        view.label = self.label
        self.loose.add_to(scene, second)


class BedNotClear(Failure):
    """An earlier part still stands on the bed when the print starts. Its onset is the start."""

    name = "bed_not_clear"

    def __init__(self, rng: Rng, print_: Print, colours: Points, onset: float) -> None:
        super().__init__(rng, print_, colours, 0.0)
        self.left = random_print(int(rng.integers(2**31)), (150, 150))
        self.colour = np.clip(rng.random(3), 0.05, 0.95)
        angle = between(rng, 0, 2 * np.pi)
        body = self.left.bodies[0]
        away = np.array([np.cos(angle), np.sin(angle)]) * between(rng, 20, 70)
        self.offset = np.append(away - body.centre, 0.0)

    def growth(self, since: float) -> float:
        return 0.8

    def apply(self, scene: Scene, second: float) -> None:
        body = self.left.bodies[0]
        height = max(self.left.step / scene.step, 0.05)
        view = BodyView(body, body.top_layer, np.tile(self.colour, (body.top_layer + 1, 1)))
        view.turn = np.diag([1.0, 1.0, 1.0])
        view.offset = self.offset
        view.label = self.label
        view.stretch = height
        scene.bodies.append(view)


_CLASSES: dict[str, type[Failure]] = {
    kind.name: kind
    for kind in (
        Spaghetti,
        Detachment,
        Warping,
        LayerShift,
        NozzleBlob,
        Stringing,
        UnderExtrusion,
        Runout,
        SupportCollapse,
        KnockedOver,
        PickedUp,
        BedNotClear,
    )
}


def random_failure_name(rng: Rng) -> str:
    weights = dict.fromkeys(FAILURES, 1.0) | {
        "spaghetti": 6.0,
        "detachment": 3.0,
        "knocked_over": 1.5,
        "bed_not_clear": 0.4,
    }
    return choose(rng, weights)


def make_failure(name: str, rng: Rng, print_: Print, colours: Points, onset: float) -> Failure:
    """Raises ValueError for a name not in `FAILURES`."""
    if name not in _CLASSES:
        raise ValueError(f"unknown failure {name!r}; known: {', '.join(FAILURES)}")
    return _CLASSES[name](rng, print_, colours, onset)
