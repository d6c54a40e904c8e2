"""What people say about an alarm, taught to the print's baseline."""

from __future__ import annotations

from dataclasses import replace

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
    return replace(camera, picture=camera.picture.accept(camera.logit), places=camera.places.accept())
