"""A frame and what is true of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.optics import jpeg


@dataclass(frozen=True)
class TruthBox:
    """Where a failure is: corner and size in fractions of the picture; shaped like `vision.evidence.Box`."""

    kind: str
    probability: float
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Truth:
    """What is so at one second.

    failure: name of the process, from its onset on; kind: the detector's kind; severity 0..1; onset: second
    of the recording, None for a healthy print; mask: (H, W) uint8, 0 or kind index + 1, None where nothing
    was rendered; visible: share of the picture that shows the failure; condition: as in
    `vision.evidence.Condition`, or "frozen".
    """

    second: float
    shape: str
    layer: int
    layers: int
    progress: float
    failed: bool
    failure: str | None
    kind: str | None
    severity: float
    onset: float | None
    events: tuple[str, ...]
    condition: str
    visible: float | None = None
    boxes: tuple[TruthBox, ...] = ()
    mask: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, object]:
        """Everything but the mask, ready for JSON."""
        fields = {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("mask", "boxes")
        }
        boxes = [{name: getattr(box, name) for name in box.__dataclass_fields__} for box in self.boxes]
        return fields | {"events": list(self.events), "boxes": boxes}


@dataclass(frozen=True)
class Frame:
    """rgb: (H, W, 3) uint8."""

    rgb: NDArray[np.uint8]
    truth: Truth
    quality: int

    def jpeg(self, quality: int | None = None) -> bytes:
        return jpeg(self.rgb, quality or self.quality)
