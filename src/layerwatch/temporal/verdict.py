"""What the model says about the print after a frame."""

from __future__ import annotations

from dataclasses import dataclass

from layerwatch.temporal import constants as c
from layerwatch.temporal.alarm import lowest_score, quality_of, raised
from layerwatch.temporal.levels import Levels
from layerwatch.temporal.marks import Origin
from layerwatch.temporal.state import PrintState
from layerwatch.vision.evidence import KINDS, Condition

FROM_START = "looked like this from the start"
STILL_PICTURE = "the same picture over again, judged by itself"
MARKED = "marked as no failure by a person"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one frame.

    quality: 1 (failure) to 10 (perfect).  score: 0 (perfect) to 100 (failure); quality is a band of it.
    warning, pause: whether to warn and to pause, at the levels asked for.
    suspicious: the print is worth a closer look, that is, shorter intervals; at the first hint.
    condition: of this picture; anything but OK means that it is no evidence about the print.
    kind: the likeliest kind of failure, one of `KINDS`, while quality is 5 or lower; else None.
    note: why quality is lower than the print's course alone would make it, or None.
    """

    quality: int
    score: int
    warning: bool
    pause: bool
    suspicious: bool
    condition: Condition
    kind: str | None
    note: str | None = None


def flags_of(state: PrintState, levels: Levels) -> tuple[bool, bool]:
    """Whether a state warns, and whether it suggests a pause, at these levels."""
    return raised(state.alarm.warned, levels.warning), raised(state.alarm.paused, levels.pause)


def verdict_of(state: PrintState, levels: Levels, condition: Condition) -> Verdict:
    """The answer that a state leads to, after a picture in this condition."""
    cameras = [camera for camera in state.cameras if state.seconds - camera.seconds <= c.MAX_GAP_SECONDS]
    marked_by = {camera.marks.origin for camera in cameras if camera.marks and camera.marks.caps_quality}
    score, note = state.belief.score, None
    if Origin.START in marked_by and score < lowest_score(c.START_QUALITY):
        score, note = lowest_score(c.START_QUALITY), FROM_START
    still = round(max((camera.still.score for camera in cameras), default=0.0))
    if still > score:
        score, note = still, STILL_PICTURE
    quality = quality_of(score)
    watched = quality <= c.WATCHED_QUALITY or state.alarm.bad_seconds > 0
    suspicious = watched or quality <= c.HINT_QUALITY
    if Origin.PERSON in marked_by and score < lowest_score(c.MARKED_QUALITY):  # this asks for no closer look
        score, note = lowest_score(c.MARKED_QUALITY), MARKED
    warning, pause = flags_of(state, levels)
    kind = KINDS[max(range(len(KINDS)), key=state.kinds.__getitem__)] if watched else None
    return Verdict(
        quality=quality_of(score),
        score=score,
        warning=warning,
        pause=pause,
        suspicious=suspicious,
        condition=condition,
        kind=kind,
        note=note,
    )
