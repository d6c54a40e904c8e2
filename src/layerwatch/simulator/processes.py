"""What every failure has in common, and the names of the kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from layerwatch.simulator.geometry import Points
from layerwatch.simulator.randomness import Rng
from layerwatch.simulator.scene import BodyView, Scene
from layerwatch.simulator.slicer import Print

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
    """onset: second of the print at which it begins. `severity` never falls; `apply` changes a scene in
    place.
    """

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
