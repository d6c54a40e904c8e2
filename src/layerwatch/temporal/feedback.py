"""What people say about an alarm, taught to the print's baseline."""

from __future__ import annotations

from dataclasses import replace

from layerwatch.temporal import constants as c
from layerwatch.temporal.alarm import Alarm
from layerwatch.temporal.belief import Belief
from layerwatch.temporal.state import CameraState, PrintState


def false_alarm(state: PrintState) -> PrintState:
    """What is seen now is no failure: the same scene does not alarm again; something new, or grown, does."""
    return _accepted(state)


def resumed(state: PrintState) -> PrintState:
    """The print goes on after a pause, whatever is seen now: no second pause for the same thing."""
    return _accepted(state)


def _accepted(state: PrintState) -> PrintState:
    return replace(state, belief=Belief(), alarm=Alarm(), cameras=tuple(map(_taught, state.cameras)))


def _taught(camera: CameraState) -> CameraState:
    usual = max(camera.logit, camera.picture.mean)
    return replace(
        camera, picture=camera.picture.learn(usual, c.TAUGHT_FRAMES), places=camera.places.accept()
    )
