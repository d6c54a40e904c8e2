"""`layerwatch-train evaluate-temporal`: ours and the others' rules side by side on the same scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from layerwatch_train.temporal.equal import CONTENDERS, at_equal_false_alarms, run
from layerwatch_train.temporal.judge import Tally, median, run_ours
from layerwatch_train.temporal.modelled import GOOD, MEDIOCRE, Detector, modelled_prints
from layerwatch_train.temporal.prints import Print
from layerwatch_train.temporal.static import static_scenes

HEAD = (
    "| method | false pauses /100 h | false warnings /100 h | paused | warned | onset → warning "
    "| onset → pause | quality 1-3 → warning | → pause |\n|---|---|---|---|---|---|---|---|---|"
)
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
def evaluate_temporal(
    prints: Annotated[int, typer.Option(min=20, help="Modelled prints, half of them failing.")] = 600,
    seed: Annotated[int, typer.Option(help="Seed of the modelled prints.")] = 2026,
    data: Annotated[
        Path | None, typer.Option(help="Folder of index.csv, for the real sequences.", show_default=False)
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(help="oof.npz of cross-validation; may be given several times.", show_default=False),
    ] = None,
    rendered: Annotated[
        Path | None,
        typer.Option(help="Folder of rendered prints (`render-prints`).", show_default=False),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Detector for the rendered prints.", show_default="the packaged one"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the tables here, as Markdown.", show_default=False)
    ] = None,
    cache: Annotated[Path, typer.Option(help="Where measures of real pictures are kept.")] = Path(
        "temporal-cache"
    ),
) -> None:
    """Judge the temporal model against the rules that other programs use.

    Modelled prints always run; real sequences need --data and --held-out, rendered prints --rendered.
    """
    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text)
        typer.echo(text)

    for detector in (GOOD, MEDIOCRE):
        beds = list(modelled_prints(prints, detector, seed))
        compare(beds, f"Modelled scores, {_described(detector)}", say)
    if data is not None and held_out:
        from layerwatch_train.temporal.sequences import real_sequences

        sequences = real_sequences(data, held_out, cache)
        compare(sequences, "Real sequences, held-out scores of the real detector, 30 s a frame", say)
        tell_sequences(sequences, say)
        tell_static(sequences, say)
    if rendered is not None:
        from layerwatch.vision import Vision
        from layerwatch_train.temporal.rendered import rendered_prints

        with Vision.load(model) as vision:
            seen = list(rendered_prints(rendered, vision, lambda _: None))
        compare(seen, "Rendered frames through the real detector", say)
        tell_kinds(seen, say)
    if out is not None:
        out.write_text("\n".join(lines) + "\n")


@app.command()
def render_prints(
    folder: Annotated[Path, typer.Argument(help="Where to keep them.", show_default=False)],
    count: Annotated[int, typer.Option(min=2, help="How many prints, half of them failing.")] = 120,
    seed: Annotated[int, typer.Option(help="Seed of the first.")] = 710_000,
) -> None:
    """Render short prints for `evaluate-temporal --rendered`; goes on where it was left off."""
    from layerwatch_train.temporal.rendered import render

    render(folder, count, seed, typer.echo)


def compare(prints: Sequence[Print], title: str, say: Callable[[str], None]) -> None:
    """One table: ours at level 3, the rules as published and at equal false alarms; then ours by level."""
    levels = [Tally() for _ in range(5)]
    for one in track(prints, title, console=Console(stderr=True), transient=True):
        for total, flags in zip(levels, run_ours(one), strict=True):
            total.add(one, flags)
    ours = levels[2]
    say(f"\n### {title}\n")
    say(
        f"{len(prints)} prints, {ours.failing} of them failing, {ours.hours:.0f} hours of healthy printing.\n"
    )
    say(HEAD)
    say(row("**Layerwatch, level 3**", ours))
    for contender in CONTENDERS:
        say(row(f"{contender.name}, as published", run(contender, contender.published, prints)))
    for contender in CONTENDERS:
        knob, found = at_equal_false_alarms(contender, prints, ours.pauses_per_100_hours)
        say(row(f"{contender.name}, at {knob:g} for equal false pauses", found))
    say("\n" + HEAD.replace("method", "level"))
    for level, total in enumerate(levels, 1):
        say(row(str(level), total))


def row(name: str, total: Tally) -> str:
    """One line of a table."""
    told = (total.to_warning, total.to_pause, total.low_to_warning, total.low_to_pause)
    seconds = " | ".join(f"{median(values):.0f} s" if values else "-" for values in told)
    warned = 100 * total.warned / total.failing if total.failing else float("nan")
    return (
        f"| {name} | {total.pauses_per_100_hours:.2f} | {total.warnings_per_100_hours:.2f} "
        f"| {100 * total.caught:.1f} % | {warned:.1f} % | {seconds} |"
    )


def tell_sequences(sequences: Sequence[Print], say: Callable[[str], None]) -> None:
    """Each real sequence: frames from the failure's first until warning and pause, or false alarms."""
    say("\n| sequence | frames | failing from | warned | paused | false warnings | false pauses |")
    say("|---|---|---|---|---|---|---|")
    for one in sequences:
        total = Tally()
        total.add(one, run_ours(one)[2])
        failing = "-" if one.onset is None else f"{int(np_index(one, one.onset))}"
        warned = f"+{total.to_warning[0]:.0f} s" if total.to_warning else "-"
        paused = f"+{total.to_pause[0]:.0f} s" if total.to_pause else "-"
        say(
            f"| {one.name} | {len(one.seconds)} | {failing} | {warned} | {paused} "
            f"| {total.false_warnings} | {total.false_pauses} |"
        )


def tell_static(sequences: Sequence[Print], say: Callable[[str], None]) -> None:
    """Twelve hours of scenes that fool the detector, and then a real failure in them."""
    say("\n### Static scenes that fool the detector, 12 h each, then a failure\n")
    say("| scene | detector says | false warnings | frames to quality 1-3 | to warning | to pause |")
    say("|---|---|---|---|---|---|")
    for one in static_scenes(sequences, 20, seed=12):
        frames = (one.frames_to_low, one.frames_to_warning, one.frames_to_pause)
        told = " | ".join("-" if value is None else str(value) for value in frames)
        say(f"| {one.name} | {one.score:.2f} | {one.warnings} | {told} |")


def tell_kinds(prints: Sequence[Print], say: Callable[[str], None]) -> None:
    """Rendered failures by what failed: the detector cannot see all of them."""
    totals: dict[str, Tally] = {}
    for one in prints:
        totals.setdefault(one.tags[0], Tally()).add(one, run_ours(one)[2])
    say("\n" + HEAD.replace("method", "what failed"))
    for name, total in sorted(totals.items()):
        say(row(name, total))


def np_index(one: Print, second: float) -> int:
    """The frame at `second`."""
    return int((one.seconds < second).sum())


def _described(detector: Detector) -> str:
    return (
        f"a {detector.name} detector (logits: healthy {detector.healthy[0]:g}±{detector.healthy[1]:g}, "
        f"failing {detector.failing[0]:g}±{detector.failing[1]:g}, noise {detector.noise:g})"
    )


if __name__ == "__main__":
    app()
