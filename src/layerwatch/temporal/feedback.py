"""What people say about an alarm, taught to the print's baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerwatch.temporal.baseline import learn
from layerwatch.temporal.belief import Belief
from layerwatch.temporal.state import CameraState, PrintState

_TAUGHT_FRAMES = 20.0


def false_alarm(state: PrintState) -> PrintState:
    """What is seen now is no failure: the same scene does not alarm again; something new, or grown, does."""
    return _accepted(state)


def resumed(state: PrintState) -> PrintState:
    """The print goes on after a pause, whatever is seen now: no second pause for the same thing."""
    return _accepted(state)


def _accepted(state: PrintState) -> PrintState:
    return replace(
        state,
        belief=Belief(),
        bad_seconds=0.0,
        good_seconds=0.0,
        warned=0,
        paused=0,
        cameras=tuple(_taught(camera) for camera in state.cameras),
    )


def _taught(camera: CameraState) -> CameraState:
    return replace(
        camera,
        picture=learn(camera.picture, max(camera.recent_logit, camera.picture.mean), _TAUGHT_FRAMES),
        place_mean=np.maximum(camera.place_mean, camera.place_recent),
    )
