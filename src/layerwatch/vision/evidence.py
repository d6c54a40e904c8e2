"""What one picture says: the value that `vision` hands to `temporal`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

KINDS: tuple[str, ...] = (
    "spaghetti",
    "detachment",
    "warping",
    "layer_shift",
    "blob",
    "stringing",
    "under_extrusion",
    "bed_not_clear",
)
"""Kinds of failure, in the order of the detector's `kinds` output."""

THUMBNAIL_SIZE: tuple[int, int] = (32, 24)
"""Columns and rows of `Evidence.thumbnail`."""


class Condition(StrEnum):
    """The picture's condition. Anything but OK means: not fit to judge a print by."""

    OK = "ok"
    DARK = "dark"
    OVEREXPOSED = "overexposed"
    BLURRED = "blurred"
    BLOCKED = "blocked"
    FROZEN = "frozen"
    MOVED = "moved"
    NO_PRINT = "no_print"

    @property
    def word(self) -> str:
        """In the words of the header X-Picture-Condition, of which two differ."""
        words: dict[Condition, str] = {Condition.OVEREXPOSED: "bright", Condition.NO_PRINT: "no-print"}
        return words.get(self, self.value)


@dataclass(frozen=True, slots=True)
class Box:
    """Where a failure is seen. Corner and size in fractions of the picture, 0..1."""

    kind: str
    probability: float
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Failure probability by place: `cells` is row-major, one byte (0..255 for 0..1) a cell."""

    rows: int
    columns: int
    cells: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """One picture's evidence, without memory of any other picture.

    failure_probability: calibrated probability, 0..1, that a failure is in view.
    kinds: the detector's output for each of `KINDS`, 0..1, not exclusive and not calibrated: good for the
        order of kinds. `kind_probabilities` are for people and clients.
    print_in_view: probability, 0..1, that a print (or a bed to print on) is in view.
    condition: measured from this picture alone, so never FROZEN or MOVED here; those need memory
        and are found by `temporal`.
    brightness: mean luma, 0..1.  sharpness: a measure of focus, 0 (none) upwards.
    thumbnail: luma, 32x24, row-major, one byte a pixel; lets `temporal` see what changed.
    milliseconds: decode and detect, wall time.  detector_ms: the detector's call alone, without any wait,
        divided by the pictures in it.
    camera_kind: see `vision.camera_kind`; empty where it was not measured.
    """

    failure_probability: float
    kinds: tuple[float, ...]
    heat: HeatMap
    boxes: tuple[Box, ...]
    print_in_view: float
    condition: Condition
    brightness: float
    sharpness: float
    thumbnail: bytes
    model_version: str
    milliseconds: float
    detector_ms: float = 0.0
    camera_kind: str = ""

    def kind_probabilities(self) -> dict[str, float]:
        """The probability, 0..1, that each of `KINDS` is in view; not exclusive.

        No kind of failure is more probable than a failure: where the detector's outputs say so, all are
        scaled by one factor, so that the likeliest has `failure_probability`. Their order stays.
        """
        likeliest = max(self.kinds)
        scale = self.failure_probability / likeliest if likeliest > self.failure_probability else 1.0
        return {kind: value * scale for kind, value in zip(KINDS, self.kinds, strict=True)}
