"""What changed in the picture: frozen, disturbed, moved, lamp switched.

Works on a 16 x 12 sketch of the thumbnail. A print moves all the time, so a change counts only beyond what
is usual for this camera, and only over most of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from layerwatch.temporal import constants as c
from layerwatch.temporal.state import SKETCH, Bytes, CameraState
from layerwatch.vision.evidence import THUMBNAIL_SIZE

_COLUMNS, _ROWS = THUMBNAIL_SIZE


class Change(Enum):
    """What the picture's change since the last one means."""

    NONE = "none"
    FROZEN = "frozen"
    DISTURBED = "disturbed"  # something large came into the picture; wait and see
    NEW_SCENE = "new scene"  # it stayed: the camera moved, or the light changed


@dataclass(frozen=True, slots=True)
class Look:
    """The scene after a frame, to be kept for the next one."""

    change: Change
    lit: bool
    sketch: Bytes
    reference: Bytes
    usual_change: float
    usual_change_spread: float
    brightness: float
    unsettled: int


def sketch_of(thumbnail: bytes) -> Bytes:
    """The thumbnail halved to 16 x 12, or an empty array if it is of another size or has no content."""
    if len(thumbnail) != _COLUMNS * _ROWS:
        return np.zeros(0, np.uint8)
    pixels = np.frombuffer(thumbnail, np.uint8)
    if pixels.max() == pixels.min():
        return np.zeros(0, np.uint8)
    halved = pixels.reshape(_ROWS // 2, 2, _COLUMNS // 2, 2).mean(axis=(1, 3))
    return np.rint(halved).astype(np.uint8).reshape(-1)


def first_look(sketch: Bytes) -> Look:
    """The scene at a camera's first frame."""
    known = sketch if sketch.size else np.zeros(SKETCH, np.uint8)
    brightness = float(known.mean()) / 255
    return Look(Change.NONE, False, known, known, 0.15, 0.1, brightness, 0)


def look(camera: CameraState, sketch: Bytes, logit_change: float) -> Look:
    """Compare a picture's sketch with what the camera showed before. `logit_change`: of the detector's score."""
    if not sketch.size:
        return _unchanged(camera, Change.NONE)
    difference = np.abs(sketch.astype(np.int16) - camera.sketch)
    if (
        camera.sketch.any()
        and difference.max() <= 1
        and np.count_nonzero(difference) <= c.FROZEN_PIXELS
        and abs(logit_change) <= c.FROZEN_LOGIT
    ):
        return _unchanged(camera, Change.FROZEN)

    now, before, reference = _normalised(sketch), _normalised(camera.sketch), _normalised(camera.reference)
    step = float(np.abs(now - before).mean())
    away = np.abs(now - reference)
    brightness = float(sketch.mean()) / 255
    lit = abs(brightness - camera.brightness) > c.LAMP_STEP
    limit = max(c.CHANGE_FLOOR, camera.usual_change + c.CHANGE_DEVIATIONS * camera.usual_change_spread)
    far = float(away.mean()) > limit or lit
    if far and (camera.unsettled or step > limit or lit):
        if camera.unsettled >= c.SETTLE_FRAMES:
            return Look(Change.NEW_SCENE, lit, sketch, sketch, step, 0.1, brightness, 0)
        return Look(
            Change.DISTURBED,
            lit,
            sketch,
            camera.reference,
            camera.usual_change,
            camera.usual_change_spread,
            camera.brightness,
            camera.unsettled + 1,
        )
    usual = camera.usual_change + c.CHANGE_LEARN * (step - camera.usual_change)
    spread = camera.usual_change_spread + c.CHANGE_LEARN * (
        abs(step - camera.usual_change) - camera.usual_change_spread
    )
    followed = camera.reference + c.CHANGE_LEARN * (sketch.astype(np.float32) - camera.reference)
    return Look(
        Change.NONE,
        False,
        sketch,
        np.rint(followed).astype(np.uint8),
        usual,
        max(spread, 0.02),
        camera.brightness + c.CHANGE_LEARN * (brightness - camera.brightness),
        0,
    )


def _unchanged(camera: CameraState, change: Change) -> Look:
    return Look(
        change,
        False,
        camera.sketch,
        camera.reference,
        camera.usual_change,
        camera.usual_change_spread,
        camera.brightness,
        camera.unsettled,
    )


def _normalised(sketch: Bytes) -> NDArray[np.float32]:
    """Mean taken off, divided by contrast: the same scene under another lamp looks alike."""
    values = sketch.astype(np.float32)
    values -= values.mean()
    spread = float(np.sqrt(np.dot(values, values) / values.size))
    return values / np.float32(spread + 8)
