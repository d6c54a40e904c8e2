"""What is remembered of a printer from print to print: O(1), under 1 KB, versioned.

A new print starts from it. It never raises the evidence of a healthy picture and lowers that of a suspicious
one only as far as earlier prints, which ended well, showed the same in the same places: what is new counts in
full. What looks failed in the first picture, and is not what this printer usually shows, is not scenery.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerwatch.temporal import constants as c
from layerwatch.temporal.alarm import quality_of
from layerwatch.temporal.familiar import Familiar
from layerwatch.temporal.marks import Origin, Strengths
from layerwatch.temporal.places import PLACES, Logits, Places
from layerwatch.temporal.scene import SKETCH, Sketch, contrast_distance, sketch_of
from layerwatch.temporal.state import MAX_NUMBER, CameraState, PrintState

_MAGIC = b"LWM"
_VERSION = 1
_HEADER = struct.Struct("<3sB16sI8d")
_BYTES = _HEADER.size + 2 * PLACES + SKETCH

MAX_PRINTS = 2**32 - 1


class MemoryFormatError(ValueError):
    """The bytes are not a printer's memory of a version that this program reads."""


@dataclass(frozen=True, slots=True, eq=False)
class PrinterMemory:
    """One camera's memory of its printer.

    camera: 16 bytes, as `CameraState.name`.  prints: learned from.
    usual, accepted: uint8 [64], failure probability by place, 0..255 for 0..1: what prints that ended well
        showed, and what a person marked as no failure.  usual_area, accepted_area: lit share of the picture.
    mean, spread: of the prints' mean healthy logits.
    opening: sketch of a print's first picture.  opening_change, opening_spread: how far first pictures are
        from it, in contrasts.  brightness, step: theirs, 0..1, and how far one usually is from it.
    Two memories are equal when their bytes are.
    """

    camera: bytes
    prints: int
    usual: Strengths
    accepted: Strengths
    usual_area: float
    accepted_area: float
    mean: float
    spread: float
    opening: Sketch
    opening_change: float
    opening_spread: float
    brightness: float
    step: float

    def to_bytes(self) -> bytes:
        """The memory as bytes: versioned, the same for equal memories."""
        head = _HEADER.pack(
            _MAGIC,
            _VERSION,
            self.camera,
            self.prints,
            self.usual_area,
            self.accepted_area,
            self.mean,
            self.spread,
            self.opening_change,
            self.opening_spread,
            self.brightness,
            self.step,
        )
        return head + self.usual.tobytes() + self.accepted.tobytes() + self.opening.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> PrinterMemory:
        """Read what `to_bytes` wrote. Raises MemoryFormatError, saying what is wrong, on anything else."""
        if len(data) < 4 or data[:3] != _MAGIC:
            raise MemoryFormatError(f"not a printer's memory: {len(data)} bytes")
        if data[3] != _VERSION:
            raise MemoryFormatError(f"printer's memory of version {data[3]}; this program reads {_VERSION}")
        if len(data) != _BYTES:
            raise MemoryFormatError(f"printer's memory of {len(data)} bytes instead of {_BYTES}")
        _, _, camera, prints, *numbers = _HEADER.unpack_from(data)
        if not all(abs(number) <= MAX_NUMBER for number in numbers) or prints == 0:
            raise MemoryFormatError("printer's memory holds values that no print can have led to")
        usual_area, accepted_area, mean, spread, *rest = numbers
        places = np.frombuffer(data, np.uint8, 2 * PLACES, _HEADER.size).reshape(2, PLACES)
        opening = np.frombuffer(data, np.uint8, SKETCH, _HEADER.size + 2 * PLACES)
        return cls(
            camera,
            prints,
            places[0],
            places[1],
            usual_area,
            accepted_area,
            mean,
            spread,
            opening,
            *rest,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrinterMemory) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def fits(self, sketch: Sketch | None) -> bool:
        """Whether a print's first picture shows the remembered scene: the same view, in similar light."""
        if sketch is None:
            return False
        limit = max(c.CHANGE_FLOOR, self.opening_change + c.CHANGE_DEVIATIONS * self.opening_spread)
        off = abs(float(sketch.mean()) / 255 - self.brightness)
        lamp = max(c.LAMP_STEP, c.LAMP_STEPS * self.step)
        return contrast_distance(sketch, self.opening) <= limit and off <= lamp

    def familiar(self) -> Familiar:
        """What a print that starts from this memory knows of its printer."""
        return Familiar(self.camera, self.usual, self.usual_area, self.accepted, self.accepted_area)

    def usual_places(self, seen: Logits | None) -> Places:
        """What is usual in a print's places where its first picture, which shows `seen`, does not say."""
        known = np.maximum(self.usual, self.accepted).astype(np.float32) / 255
        usual = np.log(np.clip(known, 1e-2, 0.99) / (1 - np.clip(known, 1e-2, 0.99)))
        first = Places.first(seen)
        return Places(np.minimum(first.usual, usual.astype(np.float16)), first.recent)

    def is_left_over(self, value: float, probability: float, seen: Logits | None, area: float) -> bool:
        """Whether the first picture looks failed in a way in which this printer's prints do not.

        value: the picture's logit.  probability: the same, 0..1.  seen, area: see `places`.
        """
        if probability < c.LOOKS_FAILED or value < self.mean + max(c.LEFT_OVER_LOGITS, 4 * self.spread):
            return False
        return self.familiar().share(seen, area) < c.GROWN


def learn(memory: PrinterMemory | None, state: PrintState, opening: bytes) -> PrinterMemory | None:
    """The memory after a print that is over; unchanged when it did not end well.

    state: the print's last.  opening: thumbnail of its first picture, see `Evidence`.
    """
    sketch, camera = sketch_of(opening), _main_camera(state)
    if sketch is None or camera is None or not ended_well(state):
        return memory
    seen, mean = _shown(camera), camera.picture.mean
    accepted, accepted_area = _accepted(camera)
    brightness = float(sketch.mean()) / 255
    if memory is None or memory.camera != camera.name or not memory.fits(sketch):
        return PrinterMemory(
            camera=camera.name,
            prints=1,
            usual=seen,
            accepted=accepted,
            usual_area=camera.recent_area,
            accepted_area=accepted_area,
            mean=mean,
            spread=c.FIRST_PRINT_SPREAD,
            opening=sketch,
            opening_change=0.0,
            opening_spread=c.FIRST_OPENING_SPREAD,
            brightness=brightness,
            step=c.FIRST_STEP,
        )
    rate = max(1 / (memory.prints + 1), c.PRINT_LEARN)
    away = contrast_distance(sketch, memory.opening)
    return PrinterMemory(
        camera=camera.name,
        prints=min(memory.prints + 1, MAX_PRINTS),
        usual=_towards(memory.usual, seen),
        accepted=np.maximum(accepted, (memory.accepted * c.ACCEPTED_DECAY).astype(np.uint8)),
        usual_area=_envelope(memory.usual_area, camera.recent_area),
        accepted_area=max(accepted_area, memory.accepted_area * c.ACCEPTED_DECAY),
        mean=memory.mean + rate * (mean - memory.mean),
        spread=memory.spread + rate * (abs(mean - memory.mean) - memory.spread),
        opening=_blend(memory.opening, sketch, rate),
        opening_change=memory.opening_change + rate * (away - memory.opening_change),
        opening_spread=memory.opening_spread
        + rate * (abs(away - memory.opening_change) - memory.opening_spread),
        brightness=memory.brightness + rate * (brightness - memory.brightness),
        step=memory.step + rate * (abs(brightness - memory.brightness) - memory.step),
    )


def ended_well(state: PrintState) -> bool:
    """Whether a print that is over can teach what is usual: long enough, no flag up, nothing unexplained.

    What looked failed from the first picture to the last may be a failure that was left on the bed.
    """
    camera = _main_camera(state)
    if camera is None:
        return False
    marks = camera.marks
    unexplained = marks is not None and marks.origin is Origin.START and marks.lit
    flagged = state.alarm.warned or state.alarm.paused
    fine = quality_of(state.belief.score) >= c.ENDED_WELL_QUALITY
    return camera.frames >= c.ENDED_WELL_FRAMES and fine and not flagged and not unexplained


def _main_camera(state: PrintState) -> CameraState | None:
    return max(state.cameras, key=lambda one: one.frames, default=None)


def _shown(camera: CameraState) -> Strengths:
    values = camera.places.usual.astype(np.float32)
    return np.rint(255 / (1 + np.exp(-values))).astype(np.uint8)


def _accepted(camera: CameraState) -> tuple[Strengths, float]:
    marks = camera.marks
    if marks is None or marks.origin is not Origin.PERSON:
        return np.zeros(PLACES, np.uint8), 0.0
    return marks.strengths, marks.area


def _towards(known: Strengths, seen: Strengths) -> Strengths:
    """Up by half of the way, down by a fifth: one print does not make a place usual, nor unusual."""
    off = seen.astype(np.float32) - known
    towards: Strengths = np.rint(known + np.where(off > 0, c.PLACE_RISE, c.PLACE_FALL) * off).astype(np.uint8)
    return towards


def _envelope(known: float, seen: float) -> float:
    return known + (c.PLACE_RISE if seen > known else c.PLACE_FALL) * (seen - known)


def _blend(known: Sketch, seen: Sketch, rate: float) -> NDArray[np.uint8]:
    return np.rint(known + rate * (seen.astype(np.float32) - known)).astype(np.uint8)
