"""Prints of one printer in order, with and without a memory from print to print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from layerwatch.temporal import Levels, PrinterMemory, PrintState, learn, step
from layerwatch.vision import Condition
from layerwatch_train.temporal.judge import Flags, Tally
from layerwatch_train.temporal.prints import Print
from layerwatch_train.temporal.tables import figures

EARLY_SECONDS = 600.0
"""The first ten minutes of a print are shown apart: nothing is learned of it yet."""

LEFT_SECONDS = 1200.0
"""For how long a failure that was left on the bed is in view of the next print."""


@dataclass(slots=True)
class Course:
    """What happened over the prints of all printers. early: of their first ten minutes."""

    name: str
    total: Tally = field(default_factory=Tally)
    early: Tally = field(default_factory=Tally)
    remembered: int = 0
    """Prints that started from a memory that showed their scene."""

    def add(self, one: Print, flags: Flags) -> None:
        self.total.add(one, flags)
        first = one.seconds < EARLY_SECONDS
        cut = one.at(np.flatnonzero(first))
        quality = None if flags.quality is None else flags.quality[first]
        self.early.add(cut, Flags(flags.warning[first], flags.pause[first], quality))

    def as_dict(self) -> dict[str, Any]:
        return {
            **figures(self.name, self.total),
            "prints_with_memory": self.remembered,
            "first_10_minutes": figures(self.name, self.early),
        }


def follow(one: Print, memory: PrinterMemory | None) -> tuple[Flags, PrintState | None]:
    """The temporal model over a print that starts from a memory: flags at level 3, and the last state."""
    count = len(one.seconds)
    warning, pause = np.zeros(count, bool), np.zeros(count, bool)
    quality = np.zeros(count, np.int64)
    state: PrintState | None = None
    for at, evidence in enumerate(one.evidence()):
        begun = state is not None and bool(state.cameras)
        state, verdict = step(
            state, evidence, float(one.seconds[at]), Levels(), memory=None if begun else memory
        )
        warning[at], pause[at], quality[at] = verdict.warning, verdict.pause, verdict.quality
    return Flags(warning, pause, quality), state


def in_order(name: str, printers: Iterable[Sequence[Print]], *, remember: bool) -> Course:
    """Each printer's prints one after the other. Nobody gives feedback."""
    course = Course(name)
    for prints in printers:
        memory: PrinterMemory | None = None
        for one in prints:
            flags, state = follow(one, memory)
            course.add(one, flags)
            course.remembered += state is not None and state.familiar is not None
            if remember and state is not None:
                memory = learn(memory, state, opening_of(one))
    return course


def opening_of(one: Print) -> bytes:
    """The thumbnail of the first picture that can be judged."""
    fit = [i for i, condition in enumerate(one.conditions) if condition is Condition.OK]
    return one.thumbnails[fit[0]].tobytes() if fit else b""


def camera_moved(prints: Sequence[Print]) -> list[Print]:
    """The same prints where somebody moves the camera after each: every second one is seen in the mirror."""
    return [mirrored(one) if at % 2 else one for at, one in enumerate(prints)]


def mirrored(one: Print) -> Print:
    """The print as from a camera on the other side."""
    thumbnails = one.thumbnails.reshape(len(one.seconds), 24, 32)[:, :, ::-1].reshape(len(one.seconds), -1)
    return replace(one, heat=np.ascontiguousarray(one.heat[:, :, ::-1]), thumbnails=thumbnails)


def left_over(prints: Sequence[Print]) -> list[Print]:
    """The prints of a printer where the failure that ended one is still there when the next one starts.

    Each healthy print that follows a failing one begins with that one's last picture, combined with its
    own: the higher score, and the higher of both heat maps everywhere (as where a static scene fails). It
    counts as failing from its first picture until `LEFT_SECONDS`, where it ends.
    """
    made: list[Print] = []
    for before, one in pairwise(prints):
        failed = before.onset is not None and before.scores[-1] >= 0.5
        if not failed or one.onset is not None or one.conditions[0] is not Condition.OK:
            continue
        early = one.at(np.flatnonzero(one.seconds < LEFT_SECONDS))
        made.append(
            replace(
                early,
                name=f"{one.name} after {before.name}",
                scores=np.fmax(early.scores, before.scores[-1]),
                heat=np.maximum(early.heat, before.heat[-1]),
                onset=0.0,
                well_until=0.0,
            )
        )
    return made


def row(course: Course) -> str:
    """One line of the table; see `HEAD`."""
    total, early = course.total, course.early
    pause = f"{np.median(total.to_pause):.0f} s" if total.to_pause else "-"
    warning = f"{np.median(total.to_warning):.0f} s" if total.to_warning else "-"
    return (
        f"| {course.name} | {course.remembered} | {total.false_warnings} | {total.false_pauses} "
        f"| {total.warned} | {total.paused} of {total.failing} | {warning} | {pause} "
        f"| {early.false_warnings} | {early.false_pauses} |"
    )


HEAD = (
    "| | started from a memory | false warnings | false pauses | warned | paused | onset → warning "
    "| onset → pause | false warnings, first 10 min | false pauses |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)
