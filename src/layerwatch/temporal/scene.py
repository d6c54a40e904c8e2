"""What changed in the picture: frozen, disturbed, moved, lamp switched.

Works on a 16 x 12 sketch of the thumbnail. A print moves all the time, so a change counts only beyond what
is usual for this camera.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from layerwatch.temporal import constants as c
from layerwatch.vision.evidence import THUMBNAIL_SIZE

Sketch = NDArray[np.uint8]

SKETCH = 192
"""Pixels of a sketch, 16 x 12."""

_COLUMNS, _ROWS = THUMBNAIL_SIZE
_LEAST_CHANGE = 1e-9
"""Below what any two different pictures differ by; keeps a quotient finite."""

_MEAN = np.full(SKETCH, 1 / SKETCH, np.float32)


class Change(Enum):
    """What the picture's change since the last one means."""

    NONE = "none"
    FROZEN = "frozen"
    DISTURBED = "disturbed"  # something large came into the picture; wait and see
    NEW_SCENE = "new scene"  # it stayed: the camera moved, or the light changed


@dataclass(frozen=True, slots=True)
class View:
    """What a camera showed. Sketches have shape [192] (16 x 12, row-major); all zero if never seen.

    sketch: of the last picture.  reference: of the scene, slowly following.
    usual_change, change_spread: how much successive pictures differ here, as mean absolute difference in
        contrasts; a bed that slides makes it large.
    brightness, usual_step: of the scene, 0..1, and how far a picture usually is from it.
    unsettled: pictures since something large changed; 0 when settled.
    """

    sketch: Sketch
    reference: Sketch
    usual_change: float
    change_spread: float
    brightness: float
    usual_step: float
    unsettled: int

    @classmethod
    def first(cls, sketch: Sketch | None) -> View:
        known = np.zeros(SKETCH, np.uint8) if sketch is None else sketch
        brightness = float(known @ _MEAN) / 255
        return cls(known, known, *c.FIRST_CHANGE, brightness, c.FIRST_STEP, 0)


def sketch_of(thumbnail: bytes) -> Sketch | None:
    """The thumbnail halved to 16 x 12; None if it is of another size or shows nothing at all."""
    if len(thumbnail) != _COLUMNS * _ROWS or thumbnail.count(thumbnail[0]) == len(thumbnail):
        return None
    pixels = np.frombuffer(thumbnail, np.uint8).reshape(_ROWS, _COLUMNS).astype(np.uint16)
    rows = pixels[::2] + pixels[1::2]
    return ((rows[:, ::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8).reshape(SKETCH)


def contrast_distance(one: Sketch, other: Sketch) -> float:
    """Mean absolute difference of two sketches, each in its own contrasts; 0 for the same view."""
    values = np.array((one, other), np.float32)
    values -= (values @ _MEAN)[:, None]
    values /= np.sqrt((values * values) @ _MEAN + c.CONTRAST_FLOOR)[:, None]
    return float(np.abs(values[0] - values[1]) @ _MEAN)


@dataclass(frozen=True, slots=True)
class Glance:
    """What a picture changed, and the view after it.

    novelty: 0..1; what hardly differs from the last picture, where others do, says much the same again.
    unrest: 0..1; how near light or view came to those of another scene: a lamp next door, the sun.
    """

    change: Change
    view: View
    novelty: float = 1.0
    unrest: float = 0.0


def look(view: View, sketch: Sketch | None, same_score: bool) -> Glance:
    """Compare a picture with what the camera showed before. `same_score`: the detector saw no difference."""
    if sketch is None:
        return Glance(Change.NONE, view)
    values = np.array((sketch, view.sketch, view.reference), np.float32)
    difference = np.abs(values[0] - values[1])
    if same_score and difference.max() <= 1 and np.count_nonzero(difference) <= c.FROZEN_PIXELS:
        return Glance(Change.FROZEN, view, novelty=0.0)

    means = values @ _MEAN
    brightness = float(means[0]) / 255
    values -= means[:, None]
    values /= np.sqrt((values * values) @ _MEAN + c.CONTRAST_FLOOR)[:, None]
    change = float(np.abs(values[0] - values[1]) @ _MEAN)
    away = float(np.abs(values[0] - values[2]) @ _MEAN)
    limit = max(c.CHANGE_FLOOR, view.usual_change + c.CHANGE_DEVIATIONS * view.change_spread)
    step = abs(brightness - view.brightness)
    lamp = max(c.LAMP_STEP, c.LAMP_STEPS * view.usual_step)
    if step > lamp or (away > limit and (view.unsettled or change > limit)):
        if view.unsettled >= c.SETTLE_FRAMES:
            return Glance(Change.NEW_SCENE, View.first(sketch))
        waiting = replace(view, sketch=sketch, unsettled=view.unsettled + 1)
        return Glance(Change.DISTURBED, waiting, novelty=0.0)
    rate = c.CHANGE_LEARN
    followed = view.reference + rate * (sketch.astype(np.float32) - view.reference)
    off = change - view.usual_change
    novel = max(c.NOVEL_SHARE * view.usual_change, _LEAST_CHANGE)
    novelty = min(max(change / novel, c.MIN_NOVELTY), 1.0)
    after = View(
        sketch=sketch,
        reference=np.rint(followed).astype(np.uint8),
        usual_change=view.usual_change + rate * off,
        change_spread=max(view.change_spread + rate * (abs(off) - view.change_spread), c.MIN_CHANGE_SPREAD),
        brightness=view.brightness + rate * (brightness - view.brightness),
        usual_step=view.usual_step + rate * (step - view.usual_step),
        unsettled=0,
    )
    near = max(step / lamp, min(change, away) / limit)
    unrest = min(max((near - c.UNREST_FROM) / (1 - c.UNREST_FROM), 0.0), 1.0)
    return Glance(Change.NONE, after, novelty, unrest)
