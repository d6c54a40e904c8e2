"""`layerwatch replay`: follow a past print, picture by picture, as a client would have seen it."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from layerwatch.cli.output import fail
from layerwatch.cli.replay_frames import Recording, Shot, open_recording
from layerwatch.core.cores import usable_cores
from layerwatch.temporal import Levels, PrintState, Verdict, step
from layerwatch.vision import MAX_PICTURE_BYTES, Evidence, ImageDecodeError, ModelError, Vision
from layerwatch.vision.jpeg.decoder import decode_jpeg
from layerwatch_watcher.cameras import CameraError

BAD_FILE, BAD_USAGE = 1, 2
INTERVAL = 30.0
SMALL = (128, 112)
"""Largest width and height of a picture in the plot's strip, in pixels."""


@dataclass(frozen=True, slots=True)
class ReplayedPicture:
    """A picture, what vision saw in it and what the print looked like after it; no verdict if undecodable.

    small: the picture in small, where a plot was asked for.
    """

    name: str
    second: float
    small: Image.Image | None = None
    evidence: Evidence | None = None
    verdict: Verdict | None = None
    error: str = ""


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


def replay(
    vision: Vision, shots: Iterable[Shot], interval: float, levels: Levels, *, with_pictures: bool = False
) -> Iterator[ReplayedPicture]:
    """What the service says after each picture, `interval` seconds apart.

    A picture that cannot be decoded takes its time and moves nothing, as a failed call would.
    """
    state: PrintState | None = None
    for number, moment in enumerate(_look_ahead(vision, shots, with_pictures)):
        second, verdict = number * interval, None
        if moment.evidence is not None:
            state, verdict = step(state, moment.evidence, second, levels)
        yield replace(moment, second=second, verdict=verdict)


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


def _look_ahead(vision: Vision, shots: Iterable[Shot], with_pictures: bool) -> Iterator[ReplayedPicture]:
    """Look at pictures side by side, and yield what was seen in order."""
    threads = usable_cores()
    under_way: deque[Future[ReplayedPicture]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="layerwatch-replay")
    try:
        for shot in shots:
            under_way.append(pool.submit(_look, vision, shot, with_pictures))
            if len(under_way) >= 2 * threads:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _look(vision: Vision, shot: Shot, with_picture: bool) -> ReplayedPicture:
    error = shot.error
    if len(shot.jpeg) > MAX_PICTURE_BYTES:
        error = f"is larger than {MAX_PICTURE_BYTES:,} bytes"
    if error:
        return ReplayedPicture(shot.name, 0.0, error=error)
    try:
        evidence = vision.inspect(shot.jpeg)
    except ImageDecodeError as undecodable:
        return ReplayedPicture(shot.name, 0.0, error=str(undecodable))
    small = None
    if with_picture:
        small = Image.fromarray(decode_jpeg(shot.jpeg, at_least=SMALL[1]).pixels)
        small.thumbnail(SMALL)
    return ReplayedPicture(shot.name, 0.0, small, evidence)


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
