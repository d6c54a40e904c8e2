"""`layerwatch-train evaluate-temporal`: ours and the others' rules side by side on the same scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from layerwatch_train.temporal.equal import CONTENDERS
from layerwatch_train.temporal.hardness import hardness_table
from layerwatch_train.temporal.judge import Tally, paced, run_ours
from layerwatch_train.temporal.modelled import GOOD, MEDIOCRE, Detector, modelled_prints
from layerwatch_train.temporal.prints import Print
from layerwatch_train.temporal.static import static_scenes
from layerwatch_train.temporal.tables import HEAD, by_tag, compare, figures, row

TUNING_SEEDS = (21, 22, 23, 24)
"""Of the modelled prints that the constants were tuned on; the evaluation's default is none of them."""

Say = Callable[[str], None]


def evaluate_temporal(
    prints: Annotated[
        int,
        typer.Option(
            min=20, help="Modelled prints, half of them failing; a quarter as many of a mediocre detector."
        ),
    ] = 400,
    seed: Annotated[
        int, typer.Option(help="Seed of the modelled prints; not one tuned on (21 to 24).")
    ] = 2027,
    data: Annotated[
        Path | None, typer.Option(help="Folder of index.csv, for the real sequences.", show_default=False)
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            help="oof.npz of cross-validation; may be given several times.",
            show_default="the packaged detector's scores, also of pictures that it was trained on",
        ),
    ] = None,
    rendered: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of rendered prints (`render-prints`); may be given several times.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Detector for the rendered prints.", show_default="the packaged one"),
    ] = None,
    recurrent: Annotated[
        Path | None,
        typer.Option(help="Weights of `fit-recurrent`, to compare with.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the tables here, as Markdown.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    cache: Annotated[Path, typer.Option(help="Where measures of real pictures are kept.")] = Path(
        "temporal-cache"
    ),
) -> None:
    """Judge the temporal model against the rules that other programs use, on the same detector scores.

    Modelled prints always run; real sequences need --data, rendered prints --rendered. Every
    method is shown as published and moved to our false pauses, and ours at levels 1 to 5.

    Example: layerwatch-train evaluate-temporal --prints 600 --data DATA_DIR --held-out runs/oof.npz
    """
    lines: list[str] = []
    found: dict[str, Any] = {"comparisons": []}
    contenders = list(CONTENDERS)
    if recurrent is not None:
        from layerwatch_train.temporal.learned import Gru, as_contender

        contenders.append(as_contender(Gru.load(recurrent)))

    def say(text: str) -> None:
        lines.append(text)
        if not as_json:
            typer.echo(text)

    groups: list[tuple[str, Sequence[Print]]] = []

    def judge(title: str, name: str, judged: Sequence[Print]) -> None:
        groups.append((name, judged))
        comparison = compare(title, judged, contenders)
        found["comparisons"].append(comparison.as_dict())
        say(comparison.markdown())

    for detector, count in ((GOOD, prints), (MEDIOCRE, prints // 4)):
        made = track(
            modelled_prints(count, detector, seed),
            f"Modelling prints, a {detector.name} detector",
            total=count,
            console=Console(stderr=True),
            transient=True,
        )
        judge(f"Modelled scores, {_described(detector)}", f"modelled, {detector.name}", list(made))
    if data is not None:
        from layerwatch_train.temporal.sequences import detected_sequences, real_sequences

        sequences = real_sequences(data, held_out, cache) if held_out else detected_sequences(data, cache)
        scores = "held-out scores" if held_out else "scores, also of pictures that it was trained on,"
        judge(f"Real sequences, {scores} of the real detector, 30 s a frame", "real", sequences)
        found["sequences"] = _report_sequences(sequences, say)
        found["static"] = _report_static(sequences, say)
    if rendered:
        from layerwatch_train.temporal.rendered import rendered_prints

        seen = [
            paced(one)
            for folder in rendered
            for one in rendered_prints(folder, model, lambda text: typer.echo(text, err=True))
        ]
        judge("Rendered prints through the real detector, at a client's pace", "rendered", seen)
        found["rendered_by_failure"] = _report_by(0, "what failed", seen, say)
        found["rendered_by_size"] = _report_by(1, "largest share of the picture", seen, say)
    say("\n### How hard the prints are to judge\n\n" + hardness_table(groups))
    if out is not None:
        out.write_text("\n".join(lines) + "\n")
    if as_json:
        typer.echo(json.dumps(found))


def render_prints(
    folder: Annotated[
        Path, typer.Argument(help="Where to keep them; about 5 MB a print.", show_default=False)
    ],
    count: Annotated[int, typer.Option(min=2, help="How many prints, half of them failing.")] = 240,
    seed: Annotated[int, typer.Option(help="Seed of the first.")] = 750_000,
) -> None:
    """Render whole prints of 40 minutes to 12 hours, for `evaluate-temporal --rendered`.

    Goes on where it was left off. An hour of print takes about five seconds of processor time.
    """
    from layerwatch_train.temporal.rendered import render

    render(folder, count, seed, typer.echo)


def fit_recurrent(
    out: Annotated[Path, typer.Argument(help="Where to write the weights (.npz).", show_default=False)],
    prints: Annotated[int, typer.Option(min=20, help="Modelled prints to train on.")] = 300,
    epochs: Annotated[int, typer.Option(min=1, help="Times through them.")] = 40,
) -> None:
    """Train the small recurrent network that the filter is compared with, on the prints tuned on."""
    from layerwatch_train.temporal.learned import fit

    fit(list(modelled_prints(prints, GOOD, TUNING_SEEDS[0])), out, typer.echo, epochs)


def _report_sequences(sequences: Sequence[Print], say: Say) -> list[dict[str, Any]]:
    """Each real sequence: seconds from the failure's first frame until warning and pause, or false alarms."""
    say("\n| sequence | frames | failing from | warned | paused | false warnings | false pauses |")
    say("|---|---|---|---|---|---|---|")
    rows = []
    for one in sequences:
        total = Tally()
        total.add(one, run_ours(one)[2])
        failing = "-" if one.onset is None else f"{int((one.seconds < one.onset).sum())}"
        warned = f"+{total.to_warning[0]:.0f} s" if total.to_warning else "-"
        paused = f"+{total.to_pause[0]:.0f} s" if total.to_pause else "-"
        say(
            f"| {one.name} | {len(one.seconds)} | {failing} | {warned} | {paused} "
            f"| {total.false_warnings} | {total.false_pauses} |"
        )
        rows.append(figures(one.name, total))
    return rows


def _report_static(sequences: Sequence[Print], say: Say) -> list[dict[str, Any]]:
    """Twelve hours of scenes that fool the detector, and then a real failure in them."""
    scenes = static_scenes(sequences, 20, seed=12)
    say("\n### Static scenes that fool the detector, 12 h each, then a failure\n")
    say("| scene | detector says | false warnings | frames to quality 1-3 | to warning | to pause |")
    say("|---|---|---|---|---|---|")
    for one in scenes:
        frames = (one.frames_to_low, one.frames_to_warning, one.frames_to_pause)
        columns = " | ".join("-" if value is None else str(value) for value in frames)
        say(f"| {one.name} | {one.score:.2f} | {one.warnings} | {columns} |")
    return [asdict(one) for one in scenes]


def _report_by(tag: int, head: str, prints: Sequence[Print], say: Say) -> list[dict[str, Any]]:
    """Rendered failures of one sort and another: the detector cannot see all of them."""
    totals = by_tag(prints, tag)
    say("\n" + HEAD.format(head))
    for name, total in totals:
        say(row(f"{name} ({total.failing})" if total.failing else name, total))
    return [figures(name, total) for name, total in totals]


def _described(detector: Detector) -> str:
    return (
        f"a {detector.name} detector (logits: healthy {detector.healthy[0]:g}±{detector.healthy[1]:g}, "
        f"failing {detector.failing[0]:g}±{detector.failing[1]:g}, noise {detector.noise:g})"
    )
