"""What becomes of prints that look failed from the start, and of failures that a person called a false alarm.

Both are about places that are known to look like a failure; `layerwatch.temporal.marks` describes the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from layerwatch.temporal import Levels, PrintState, false_alarm, step
from layerwatch.temporal.alarm import quality_of
from layerwatch.temporal.constants import LOOKS_FAILED, START_CALM_SECONDS
from layerwatch.temporal.places import lit_area
from layerwatch.vision.evidence import HeatMap
from layerwatch_train.temporal.prints import Print
from layerwatch_train.temporal.static import static_prints

HALF_AS_MUCH = 1.5
"""Growth from which on a marked failure counts as grown, in lit area over what was marked."""

GROWN_PICTURES = 2
"""In a row, that must be that large: one is the detector's noise."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AfterFalseAlarm:
    """A failing print whose first warning was called a false alarm. Times are in pictures after that.

    marked_area, largest_area: lit share of the picture, 0..1, that was marked, and the largest seen later.
    grown: first of two pictures in a row half as large again as what was marked.
    shown: quality 6 or lower.  warned, paused: again.
    """

    name: str
    pictures: int
    marked_area: float
    largest_area: float
    grown: int | None
    shown: int | None
    warned: int | None
    paused: int | None


def after_false_alarm(one: Print) -> AfterFalseAlarm | None:
    """Call the first warning from the onset on a false alarm, and go on; None if there was none."""
    state: PrintState | None = None
    marked = 0.0
    areas: list[float] = []
    firsts: dict[str, int] = {}
    rows, columns = one.heat.shape[1:]
    for at, evidence in enumerate(one.evidence()):
        state, verdict = step(state, evidence, float(one.seconds[at]), Levels())
        area = lit_area(HeatMap(rows, columns, one.heat[at].tobytes()))
        if marked:
            areas.append(area)
            now = {
                "shown": verdict.quality <= 6,
                "warned": verdict.warning,
                "paused": verdict.pause,
                "grown": min(areas[-GROWN_PICTURES:]) >= HALF_AS_MUCH * marked
                and len(areas) >= GROWN_PICTURES,
            }
            for name, holds in now.items():
                if holds:
                    firsts.setdefault(name, len(areas))
        elif verdict.warning and one.onset is not None and one.seconds[at] >= one.healthy_seconds:
            state = false_alarm(state)
            marks = state.cameras[-1].marks
            marked = marks.area if marks else area
    if not areas:
        return None
    grown = firsts.get("grown")
    return AfterFalseAlarm(
        one.name,
        len(areas),
        marked,
        max(areas),
        None if grown is None else grown - GROWN_PICTURES + 1,
        firsts.get("shown"),
        firsts.get("warned"),
        firsts.get("paused"),
    )


@dataclass(frozen=True, slots=True)
class FromStart:
    """A print that looks failed in its first picture. Qualities are the highest in each span.

    course: in the first ten minutes, by the print's course alone.  early: as answered.  late: after that.
    flags: pictures before the onset at which a warning or a pause was suggested at level 3.
    """

    name: str
    score: float
    course: int
    early: int
    late: int | None
    flags: int


def from_start(one: Print) -> FromStart | None:
    """How a print that looks failed from its first picture is answered; None if it does not."""
    if not one.scores[0] >= LOOKS_FAILED:
        return None
    state: PrintState | None = None
    course, early, late, flags = 0, 0, 0, 0
    for at, evidence in enumerate(one.evidence()):
        second = float(one.seconds[at])
        state, verdict = step(state, evidence, second, Levels())
        if second - one.seconds[0] < START_CALM_SECONDS:
            course, early = max(course, quality_of(state.belief.score)), max(early, verdict.quality)
        else:
            late = max(late, verdict.quality)
        flags += (verdict.warning or verdict.pause) and second < one.healthy_seconds
    return FromStart(one.name, float(one.scores[0]), course, early, late or None, flags)


def evaluate_marked(
    data: Annotated[Path, typer.Option(help="Folder of index.csv, for the real sequences.")],
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            help="oof.npz of cross-validation.",
            show_default="the packaged detector's scores, also of pictures that it was trained on",
        ),
    ] = None,
    rendered: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of rendered prints; may be given several times.", show_default=False),
    ] = None,
    cache: Annotated[Path, typer.Option(help="Where measures of real pictures are kept.")] = Path(
        "temporal-cache"
    ),
) -> None:
    """Show how prints that look failed from the start are answered, and failures called false alarms.

    Example: layerwatch-train evaluate-marked --data DATA_DIR --rendered PRINTS
    """
    from layerwatch_train.temporal.rendered import rendered_prints
    from layerwatch_train.temporal.sequences import detected_sequences, real_sequences

    real = real_sequences(data, held_out, cache) if held_out else detected_sequences(data, cache)
    prints = list(real)
    for folder in rendered or ():
        prints += rendered_prints(folder, None, lambda text: typer.echo(text, err=True))
    _say_from_start("Healthy static scenes", static_prints(real, 20, seed=12), typer.echo)
    failed = static_prints(real, 20, seed=12, failed=True)
    _say_from_start("Failures that stand still from the first picture", failed, typer.echo)
    _say_from_start("Real and rendered prints that look failed in their first picture", prints, typer.echo)
    _say_after_false_alarm(prints, typer.echo)


def _say_from_start(title: str, prints: Sequence[Print], say: Say) -> None:
    found = [seen for seen in map(from_start, prints) if seen]
    say(f"\n### {title}: {len(found)} of {len(prints)}\n")
    say("| print | detector | quality in 10 min, by course alone | as answered | later | pictures flagged |")
    say("|---|---|---|---|---|---|")
    for one in found:
        late = "-" if one.late is None else str(one.late)
        say(f"| {one.name} | {one.score:.2f} | {one.course} | {one.early} | {late} | {one.flags} |")


def _say_after_false_alarm(prints: Sequence[Print], say: Say) -> None:
    """Pictures, not seconds: sequences come 30 s apart, rendered prints 20 s after an onset."""
    found = [seen for seen in map(after_false_alarm, prints) if seen]
    found.sort(key=lambda one: one.largest_area / one.marked_area)
    say(f'\n### After "false alarm" at the first warning: {len(found)} failing prints, by growth\n')
    say("| print | pictures after | marked | largest | growth | by half after | shown | warned | paused |")
    say("|---|---|---|---|---|---|---|---|---|")
    for one in found:
        times = (one.grown, one.shown, one.warned, one.paused)
        cells = " | ".join("-" if value is None else str(value) for value in times)
        say(
            f"| {one.name} | {one.pictures} | {one.marked_area:.1%} | {one.largest_area:.1%} "
            f"| x{one.largest_area / one.marked_area:.1f} | {cells} |"
        )
