"""Services that come off the bed: slid, tipped over, picked up; and supports that fall."""

from __future__ import annotations

import numpy as np

from layerwatch.simulator.geometry import Points
from layerwatch.simulator.loose import Loose, Surface
from layerwatch.simulator.processes import Failure
from layerwatch.simulator.randomness import Rng, between, happens
from layerwatch.simulator.scene import BodyView, Scene
from layerwatch.simulator.slicer import Print


def turn_about(axis: Points, angle: float) -> Points:
    """Rotation matrix about a unit axis (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: Points = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn


def turn_view(view: BodyView, pivot: Points, turn: Points) -> None:
    """Turn `view` about a point of the bed's frame."""
    view.turn = turn @ view.turn
    view.offset = turn @ (view.offset - pivot) + pivot


def rest_on_bed(view: BodyView, step: float) -> None:
    """Raise `view` so that no point of it is below the bed."""
    printed = view.body.layer < view.layers
    levels = view.body.layer[printed] * step
    points = np.hstack([view.body.end[printed], levels[:, None]])
    points = np.concatenate([points, points + np.array([0, 0, step])])
    if len(points):
        view.offset = view.offset - np.array([0, 0, min(float(view.to_bed(points)[:, 2].min()), 0.0)])


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
        more = self.loose.length(self.onset + since) / 4000 if self.loose else 0.0
        return 0.45 + 0.4 * self.moved(since) + 0.15 * (1 - float(np.exp(-more)))

    def apply(self, scene: Scene, second: float) -> None:
        view = scene.bodies[self.victim]
        self.stop(view)
        share = self.moved(second - self.onset)
        centre = np.append(view.body.centre, 0.0)
        turn_view(view, centre, turn_about(np.array([0, 0, 1.0]), self.spin * share))
        if self.tilt:
            way = self.way / np.linalg.norm(self.way)
            axis = np.array([-way[1], way[0], 0])
            turn_view(view, centre + way * view.body.radius * 0.6, turn_about(axis, self.tilt * share))
        view.offset = view.offset + self.way * share
        rest_on_bed(view, scene.step)
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
        turn_view(view, pivot, turn_about(np.array([-way[1], way[0], 0]), self.rest * share**2))
        view.offset = view.offset + way * self.slide * min(since / 40, 1.0)
        rest_on_bed(view, scene.step)
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
        turn_view(view, grip, turn_about(np.array([1.0, 0, 0]), self.lean[0] * share))
        turn_view(view, grip, turn_about(np.array([0, 1.0, 0]), self.lean[1] * share))
        view.offset = view.offset + scene.nozzle - grip + np.array([0, 0, self.height * share - 0.3])
        rest_on_bed(view, scene.step)
        view.label = self.label


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
        return 0.3 + 0.7 * (1 - float(np.exp(-self.loose.length(self.onset + since) / 2500)))

    def apply(self, scene: Scene, second: float) -> None:
        view, since = scene.bodies[self.fallen], second - self.onset
        self.stop(view)
        way = np.array([np.cos(self.angle), np.sin(self.angle), 0])
        pivot = np.append(view.body.centre, 0.0) + way * view.body.radius * 0.4
        turn_view(
            view, pivot, turn_about(np.array([-way[1], way[0], 0]), self.rest * min(since / 30, 1) ** 2)
        )
        rest_on_bed(view, scene.step)
        view.label = self.label
        self.loose.add_to(scene, second)
