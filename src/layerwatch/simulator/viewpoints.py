"""Where people put their cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerwatch.simulator.camera import Points, SimulatedCamera
from layerwatch.simulator.randomness import Rng, between, choose, happens
from layerwatch.simulator.worlds import World

VIEWPOINTS: tuple[str, ...] = ("front", "low", "corner", "side", "top", "wide", "toolhead")


@dataclass(frozen=True)
class Viewpoint:
    """eye, target: mm in the printer's frame (for `toolhead`: from the nozzle's tip). view, roll: degrees."""

    name: str
    eye: Points
    target: Points
    view: float
    roll: float
    upside_down: bool
    on_head: bool

    def camera(self, width: int, height: int, head: Points, bump: Points | None = None) -> SimulatedCamera:
        base = head if self.on_head else np.zeros(3)
        eye, target = self.eye + base, self.target + base + (bump if bump is not None else 0)
        roll = self.roll + (180 if self.upside_down else 0)
        return SimulatedCamera(tuple(eye), tuple(target), self.view, width, height, roll)


def random_viewpoint(
    rng: Rng, world: World, part_top: float, part_span: float, name: str | None = None
) -> Viewpoint:
    """A camera that sees the part. Raises KeyError-like ValueError for an unknown `name`."""
    if name is not None and name not in VIEWPOINTS:
        raise ValueError(f"unknown viewpoint {name!r}; known: {', '.join(VIEWPOINTS)}")
    name = name or choose(
        rng, {"front": 3.0, "low": 2.0, "corner": 3.0, "side": 1.0, "top": 1.2, "wide": 1.2, "toolhead": 0.5}
    )
    size = world.bed.width / 2
    level = 0.0 if world.kind != "corexy" else -between(rng, 0, 0.5) * part_top
    middle = np.array(
        [between(rng, -12, 12), between(rng, -12, 12), level + min(part_top, 90) * between(rng, 0.15, 0.5)]
    )
    inside = world.enclosed
    if name == "front":
        eye = np.array([between(rng, -60, 60), -size - between(rng, 90, 230), level + between(rng, 45, 150)])
        view = between(rng, 38, 62)
    elif name == "low":
        eye = np.array([between(rng, -70, 70), -size - between(rng, 60, 170), level + between(rng, 12, 50)])
        view = between(rng, 36, 60)
    elif name == "corner":
        side = rng.choice([-1, 1])
        reach = size + (between(rng, 25, 38) if inside else between(rng, 60, 160))
        eye = np.array([side * reach, -reach, level + between(rng, 35, 150)])
        view = between(rng, 58, 85) if inside else between(rng, 40, 62)
    elif name == "side":
        side = rng.choice([-1, 1])
        eye = np.array(
            [
                side * (size + (38 if inside else between(rng, 90, 220))),
                between(rng, -60, 10),
                level + between(rng, 30, 160),
            ]
        )
        view = between(rng, 60, 85) if inside else between(rng, 40, 62)
    elif name == "top":
        eye = np.array([between(rng, -40, 40), -between(rng, 20, 110), level + between(rng, 300, 420)])
        view = between(rng, 36, 58)
    elif name == "wide":
        eye = np.array([between(rng, -90, 90), -size - between(rng, 25, 90), level + between(rng, 60, 180)])
        view = between(rng, 88, 112)
    else:
        eye = np.array([between(rng, -30, 30), -between(rng, 50, 75), between(rng, 30, 60)])
        middle = np.array([0.0, between(rng, -4, 10), between(rng, -8, 2)])
        view = between(rng, 60, 90)
    if name not in ("wide", "toolhead") and happens(rng, 0.7):
        tall = part_top * (1.4 if inside else 1.0)
        span = max(part_span, tall, 25.0) / between(rng, 0.3, 0.8)
        view = float(np.clip(np.rad2deg(2 * np.arctan(span / 2 / np.linalg.norm(eye - middle))), 16, view))
    roll = between(rng, -4, 4) if happens(rng, 0.8) else between(rng, -20, 20)
    return Viewpoint(name, eye, middle, view, roll, happens(rng, 0.04), name == "toolhead")
