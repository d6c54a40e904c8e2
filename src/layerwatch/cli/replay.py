"""`layerwatch replay`: follow a past print, picture by picture, as a client would have seen it."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from layerwatch.cli.output import fail
from layerwatch.cli.replay_frames import Recording, open_recording
from layerwatch.cli.replay_run import ReplayedPicture, replay
from layerwatch.temporal import Levels
from layerwatch.vision import ModelError, Vision
from layerwatch_watcher.cameras import CameraError

BAD_FILE, BAD_USAGE = 1, 2
INTERVAL = 30.0


def command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|VIDEO",
            help="A folder of JPEGs in name order, a Motion-JPEG file, or a video.",
            show_default=False,
        ),
    ],
    interval: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=3600.0,
            help="Seconds between two pictures; 30, or the value in a simulated print's truth.jsonl.",
            show_default=False,
        ),
    ] = None,
    warning_level: Annotated[
        int, typer.Option(min=1, max=5, help="1 warns sooner, 5 only when more certain.")
    ] = 3,
    pause_level: Annotated[
        int, typer.Option(min=1, max=5, help="1 pauses sooner, 5 only when more certain.")
    ] = 3,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="Pictures to take for each second of a video; a time-lapse wants 2 or more. "
            "Left out: one each --interval. Motion-JPEG files give every frame.",
            show_default=False,
        ),
    ] = None,
    json_lines: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print one JSON object a picture: file, second, quality, score, warning, pause. "
            "Pictures that cannot be inspected go to stderr, as objects with file and error.",
        ),
    ] = False,
    detail: Annotated[
        bool,
        typer.Option(
            "--detail", help="Add the picture's failure probability, condition, kind and suspicious."
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG",
            help="Draw the print's course: pictures, score, quality, warning and pause.",
            show_default=False,
        ),
    ] = None,
    onset: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Second at which the print is known to have failed, shown in the summary and in the "
            "plot; of a simulated print its truth.jsonl says it.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A detector file instead of the packaged one.", show_default=False),
    ] = None,
) -> None:
    """Follow a past print: what would the service have said after each picture, when would it have paused?

    The pictures are judged right here with the packaged detector and the same temporal model as on a server.

    Exit code: 0 if every picture was judged, 1 if some could not be, 2 if none could be.

    Examples:

      layerwatch replay timelapse/ --interval 30

      layerwatch replay timelapse.mp4 --fps 2 --plot course.png

      layerwatch replay timelapse/ --json | jq 'select(.pause)'
    """
    levels = Levels(warning=warning_level, pause=pause_level)
    try:
        recording = open_recording(source, fps or 1 / (interval or INTERVAL))
        vision = Vision.load(model)
    except CameraError as error:
        fail(f"{error} {error.hint}".rstrip(), BAD_USAGE)
    except ModelError as error:
        fail(str(error), BAD_USAGE)
    interval, onset = interval or recording.interval or INTERVAL, recording.onset if onset is None else onset
    if recording.skipped:
        _note(
            f"Skipped {len(recording.skipped)} files that are not JPEGs, for example {recording.skipped[0]}.",
            json_lines,
        )
    seen: list[ReplayedPicture] = []
    table = _table(source, detail)
    try:
        with vision, _progress(recording) as bar:
            for moment in replay(vision, recording.shots, interval, levels, with_pictures=plot is not None):
                seen.append(moment)
                if json_lines:
                    _say_json(moment, detail)
                elif moment.verdict is None:
                    _note(f"{moment.name}: {moment.error}", json_lines)
                else:
                    table.add_row(*_row(moment, detail))
                if bar is not None:
                    bar.advance(bar.task_ids[0])
    except CameraError as error:
        fail(f"{error}. {error.hint}".rstrip(), BAD_USAGE)
    judged = [moment for moment in seen if moment.verdict is not None]
    if not json_lines:
        Console().print(table)
        typer.echo(summary(judged, onset))
    if plot is not None and judged:
        _draw(judged, plot, source.name, onset)
    if len(judged) < len(seen):
        raise typer.Exit(BAD_FILE if judged else BAD_USAGE)


def summary(judged: list[ReplayedPicture], onset: float | None = None) -> str:
    """When it first warned and paused, in words."""
    if not judged:
        return "No picture could be inspected."
    lines = [f"{len(judged)} pictures over {_clock(judged[-1].second)}."]
    for name in ("warning", "pause"):
        first = next((moment for moment in judged if getattr(moment.verdict, name)), None)
        if first is None:
            lines.append(f"No {name}.")
            continue
        after = "" if onset is None else f", {first.second - onset:+.0f} s from the failure's onset"
        kind = first.verdict.kind if first.verdict and first.verdict.kind else "failure"
        lines.append(f"First {name} at {_clock(first.second)} ({first.name}, {kind}{after}).")
    return "\n".join(lines)


def _say_json(moment: ReplayedPicture, detail: bool) -> None:
    verdict, evidence = moment.verdict, moment.evidence
    if verdict is None or evidence is None:
        error = {"file": moment.name, "error": moment.error}
        print(json.dumps(error, ensure_ascii=False), file=sys.stderr, flush=True)
        return
    line: dict[str, Any] = {
        "file": moment.name,
        "second": round(moment.second, 3),
        "quality": verdict.quality,
        "score": verdict.score,
        "warning": verdict.warning,
        "pause": verdict.pause,
    }
    if detail:
        line |= {
            "suspicious": verdict.suspicious,
            "condition": verdict.condition.value,
            "kind": verdict.kind,
            "failure_probability": evidence.failure_probability,
        }
    print(json.dumps(line, ensure_ascii=False), flush=True)


def _table(source: Path, detail: bool) -> Table:
    table = Table(title=str(source), title_justify="left")
    for name in ("time", "file", "quality", "score", "", *(("seen", "condition", "kind") if detail else ())):
        table.add_column(name, justify="right" if name in ("time", "quality", "score", "seen") else "left")
    return table


def _row(moment: ReplayedPicture, detail: bool) -> list[str]:
    verdict, evidence = moment.verdict, moment.evidence
    assert verdict is not None and evidence is not None
    colour = "red" if verdict.quality <= 3 else "yellow" if verdict.quality <= 5 else "green"
    flag = "[bold red]PAUSE[/]" if verdict.pause else "[yellow]warning[/]" if verdict.warning else ""
    row = [
        _clock(moment.second),
        moment.name,
        f"[{colour}]{verdict.quality}[/]",
        str(verdict.score),
        flag,
    ]
    if detail:
        kind = (verdict.kind or "").replace("_", " ")
        row += [f"{evidence.failure_probability:.0%}", verdict.condition.value.replace("_", " "), kind]
    return row


def _draw(judged: list[ReplayedPicture], plot: Path, title: str, onset: float | None) -> None:
    from layerwatch.cli.replay_plot import Point, draw

    points = [
        Point(moment.second, moment.small, moment.verdict, moment.evidence)
        for moment in judged
        if moment.small is not None and moment.verdict is not None and moment.evidence is not None
    ]
    try:
        draw(points, title, onset).save(plot, "PNG")
    except OSError as error:
        fail(f"Cannot write {plot}: {error.strerror or error}.", BAD_USAGE)


def _clock(second: float) -> str:
    whole = round(second)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _progress(recording: Recording) -> Any:
    console = Console(stderr=True)
    if not console.is_terminal or (recording.count is not None and recording.count < 20):
        return nullcontext(None)
    bar = Progress(console=console, transient=True)
    bar.add_task("Inspecting pictures", total=recording.count)
    return bar


def _note(text: str, json_lines: bool) -> None:
    typer.echo(json.dumps({"note": text}) if json_lines else text, err=True)
