"""What stands on the bed at one moment: bodies in their poses, strands, blobs, and where the nozzle is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.slicer import Body

Points = NDArray[np.float64]


@dataclass
class BodyView:
    """A body as it stands now, in the bed's frame.

    layers: drawn layers that are done; colours: (layers or more, 3), 0..1; turn: orthogonal 3x3; offset: mm;
    shift: (count, 2) mm by layer or None; lift: corner lifts as (x, y, mm, reach, top); gaps: (count,)
    share of the walls missing by layer or None; label: kind index + 1 where it failed, from the layer
    `label_from` on.
    """

    body: Body
    layers: int
    colours: Points
    turn: Points = field(default_factory=lambda: np.eye(3))
    offset: Points = field(default_factory=lambda: np.zeros(3))
    shift: Points | None = None
    lift: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    gaps: Points | None = None
    gloss: float = 0.2
    stretch: float = 1.0
    """Height of this body's drawn layers as a share of the scene's."""
    label: int = 0
    label_from: int = 0
    label_where: Callable[[Points], NDArray[np.bool_]] | None = None
    """Which walls failed, by their middles (M, 3) in the body's frame; None for all from `label_from`."""
    current: Points | None = None
    """Beads of the layer under way: (n, 2, 2) starts and ends in the body's frame, or None."""

    def to_bed(self, points: Points) -> Points:
        moved: Points = points @ self.turn.T + self.offset
        return moved


@dataclass
class Strand:
    """A loose filament: points (n, 3) mm in the bed's frame, in the order laid down."""

    points: Points
    radius: float
    colour: Points
    label: int = 0


@dataclass
class Blob:
    """A lump of plastic. `on_nozzle` ones move with the head: their centre is from the nozzle's tip."""

    centre: Points
    radius: float
    colour: Points
    label: int = 0
    on_nozzle: bool = False


@dataclass
class Scene:
    """step: mm between drawn layers. nozzle: mm, bed's frame; away: the head is parked."""

    step: float
    nozzle: Points
    bodies: list[BodyView] = field(default_factory=list)
    strips: list[tuple[Points, Points]] = field(default_factory=list)
    """Flat beads of the first layer: (points (n, 2), colour)."""
    strands: list[Strand] = field(default_factory=list)
    blobs: list[Blob] = field(default_factory=list)
    away: bool = False
