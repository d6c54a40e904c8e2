"""Prints of one printer in order, with and without a memory from print to print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from layerwatch.temporal import Levels, PrinterMemory, PrintState, learn, step
from layerwatch.vision import Condition
from layerwatch_train.temporal.judge import Flags, Tally
from layerwatch_train.temporal.prints import Print
from layerwatch_train.temporal.rendered import rendered_prints
from layerwatch_train.temporal.sequences import detected_sequences

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


def left_over(prints: Sequence[Print]) -> list[tuple[int, Print]]:
    """Prints, by their place in order, at whose start the failure that ended the one before is still there.

    Each healthy print that follows a failing one begins with that one's last picture, combined with its
    own: the higher score, and the higher of both heat maps everywhere (as where a static scene fails). It
    counts as failing from its first picture until `LEFT_SECONDS`, where it ends.
    """
    made: list[tuple[int, Print]] = []
    for at, (before, one) in enumerate(pairwise(prints), 1):
        failed = before.onset is not None and before.scores[-1] >= 0.5
        if not failed or one.onset is not None or one.conditions[0] is not Condition.OK:
            continue
        early = one.at(np.flatnonzero(one.seconds < LEFT_SECONDS))
        begun = replace(
            early,
            name=f"{one.name} after {before.name}",
            scores=np.fmax(early.scores, before.scores[-1]),
            heat=np.maximum(early.heat, before.heat[-1]),
            onset=0.0,
            well_until=0.0,
        )
        made.append((at, begun))
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


def evaluate_printers(
    rendered: Annotated[Path, typer.Argument(help="Folder of `render-printers`.", show_default=False)],
    data: Annotated[
        Path | None, typer.Option(help="Folder of index.csv, for the real printer.", show_default=False)
    ] = None,
    sequences: Annotated[
        str, typer.Option(help="How the real printer's sequences begin; one is a print.")
    ] = "emptydeck_",
    model: Annotated[
        Path | None, typer.Option(help="Detector for the rendered prints.", show_default="the packaged one")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Where a detector's scores of real pictures are kept.")] = Path(
        "temporal-cache"
    ),
) -> None:
    """Judge prints of one printer in order, with and without a memory from print to print.

    Nobody gives feedback. Also judged: with the camera moved after each print, and with each failure left on
    the bed of the next print.
    """
    seen = rendered_prints(rendered, model, lambda text: typer.echo(text, err=True))
    printers = [list(prints) for _, prints in groupby(seen, key=lambda one: one.name[:2])]
    hours = sum(one.healthy_seconds for prints in printers for one in prints) / 3600
    typer.echo(
        f"{len(printers)} rendered printers, {sum(map(len, printers))} prints, {hours:.0f} healthy hours"
    )
    typer.echo(HEAD)
    _both("rendered", printers)
    _both("rendered, camera moved after each print", list(map(camera_moved, printers)))
    _both_left("a failure left on the bed of the next print", printers)
    if data is not None:
        real = [one for one in detected_sequences(data, cache) if one.name.startswith(sequences)]
        _both(f"real, {len(real)} prints of one printer", [real])


def render_printers(
    folder: Annotated[
        Path, typer.Argument(help="Where to keep them; about 1 MB a print.", show_default=False)
    ],
    printers: Annotated[int, typer.Option(min=1, max=99, help="How many printers.")] = 10,
    prints: Annotated[int, typer.Option(min=1, max=99, help="Prints of each, one in five failing.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the first printer.")] = 880_000,
) -> None:
    """Render prints of 30 to 90 minutes of the same printers, for `evaluate-printers`.

    Existing ones are kept.
    """
    from layerwatch_train.temporal.rendered import render_printers as render

    render(folder, printers, prints, seed, typer.echo)


def _both(name: str, printers: Sequence[Sequence[Print]]) -> None:
    for remember in (False, True):
        course = in_order(f"{name}, {'with' if remember else 'without'} memory", printers, remember=remember)
        typer.echo(row(course))


def _both_left(name: str, printers: Sequence[Sequence[Print]]) -> None:
    """Each left-over is judged with what the printer's memory was when that print began."""
    courses = Course(f"{name}, without memory"), Course(f"{name}, with memory")
    for prints in printers:
        memories = _memories(prints)
        for at, one in left_over(prints):
            for course, memory in zip(courses, (None, memories[at]), strict=True):
                flags, state = follow(one, memory)
                course.add(one, flags)
                course.remembered += state is not None and state.familiar is not None
    for course in courses:
        typer.echo(row(course))


def _memories(prints: Sequence[Print]) -> list[PrinterMemory | None]:
    """The printer's memory at the start of each print."""
    memories: list[PrinterMemory | None] = [None]
    for one in prints:
        _, state = follow(one, memories[-1])
        assert state is not None
        memories.append(learn(memories[-1], state, opening_of(one)))
    return memories
