"""What people say about a print, taught to its state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from layerwatch.temporal import constants as c
from layerwatch.temporal.alarm import AlarmState, quality_of
from layerwatch.temporal.belief import Belief
from layerwatch.temporal.marks import Marks
from layerwatch.temporal.state import CameraState, PrintState
from layerwatch.temporal.still import Still


def false_alarm(state: PrintState) -> PrintState:
    """What is seen now is no failure: the same scene does not alarm again; something new, or grown, does."""
    return _accepted(state)


def resumed(state: PrintState) -> PrintState:
    """A person resumed the print after a pause, whatever is seen now: no second pause for the same thing."""
    return _accepted(state)


def missed(state: PrintState) -> PrintState:
    """A failure was not seen. There is nothing to unlearn; the word itself can be taken back."""
    return replace(state, before=replace(state, before=None))


def good(state: PrintState) -> PrintState:
    """The print is fine. If it is suspected, that is a false alarm; if not, there is nothing to learn: what a
    calm print shows later is judged as strictly as before."""
    suspected = quality_of(state.belief.score) <= c.WATCHED_QUALITY
    if suspected or state.alarm.warned or state.alarm.paused:
        return _accepted(state)
    return replace(state, before=replace(state, before=None))


def correct_alarm(state: PrintState) -> PrintState:
    """The failure is real: the print is believed to fail already, so there is nothing more to learn."""
    return replace(state, before=replace(state, before=None))


def undo(state: PrintState) -> PrintState:
    """Undo the last feedback, keeping everything seen since. Only one feedback is remembered."""
    return state.before or state


def forget(_: PrintState) -> PrintState:
    """Start the print's state anew: for withdrawn feedback that is no longer remembered."""
    return PrintState.new()


def undo_earlier(state: PrintState) -> PrintState:
    """Undo all feedback before the last one, which stays learned.

    The last one covers everything seen by then. If it is undone too, the print's state starts anew.
    """
    return replace(state, before=PrintState.new())


def _accepted(state: PrintState) -> PrintState:
    return replace(
        state,
        belief=Belief(),
        alarm=AlarmState(),
        cameras=tuple(map(_taught, state.cameras)),
        before=replace(state, before=None),
    )


def _taught(camera: CameraState) -> CameraState:
    return replace(
        camera,
        picture=camera.picture.accept(camera.logit),
        places=camera.places.accept(),
        marks=Marks.by_person(camera.marks, camera.places, camera.recent_area),
        still=Still(camera.still.digest),
    )


UNDO, UNDO_EARLIER = "undo", "undo_earlier"
TEACHERS: dict[str, Callable[[PrintState], PrintState]] = {
    "false_alarm": false_alarm,
    "resumed": resumed,
    "missed": missed,
    "good": good,
    "correct_alarm": correct_alarm,
    UNDO: undo,
}
"""What each kind of feedback does to a print's state."""

LESSONS = {**TEACHERS, UNDO_EARLIER: undo_earlier}
"""The same, with what only the console offers."""
