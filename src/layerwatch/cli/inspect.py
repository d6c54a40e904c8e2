"""`layerwatch inspect`: look at pictures and say, for each, how likely it shows a failure."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from layerwatch.cli.output import fail
from layerwatch.core.cores import usable_cores
from layerwatch.vision import MAX_PICTURE_BYTES, Condition, Evidence, ImageDecodeError, ModelError, Vision
from layerwatch.vision.regions import likely_kind, shows_failure

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif"}
PROGRESS_BAR_FROM = 50
"""Number of pictures from which a progress bar is shown, on a terminal."""

BAD_FILE, BAD_USAGE = 1, 2
FAILURE_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class FileInspection:
    """One file's outcome: evidence, or the reason why there is none."""

    file: Path
    evidence: Evidence | None = None
    error: str = ""


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="JPEG files, or folders to search for them.", metavar="FILES", show_default=False
        ),
    ],
    json_lines: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print one JSON object a line: file, failure_probability, kind, condition, ms. "
            "Errors go to stderr, as objects with file and error.",
        ),
    ] = False,
    detail: Annotated[
        bool,
        typer.Option(
            "--detail",
            help="With --json: add each kind's probability, boxes, the heat map and the picture's quality "
            "measures.",
        ),
    ] = False,
    save_overlay: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Save each picture with its heat map and boxes drawn over it.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A detector file instead of the packaged one.", show_default=False),
    ] = None,
    provider: Annotated[
        str, typer.Option(help="Execution provider: cpu, cuda, tensorrt, openvino or coreml.")
    ] = "cpu",
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Pictures inspected in parallel.", show_default="one for each core"),
    ] = None,
) -> None:
    """Look at pictures: how likely does each show a failed print, of which kind, and is it fit to judge by?

    Every picture is judged on its own; `layerwatch replay` follows a print over time.

    Exit code: 0 if every file was inspected, 1 if some could not be, 2 if none could be.

    Examples:

      layerwatch inspect frame.jpg

      layerwatch inspect timelapse/ --save-overlay explained/

      layerwatch inspect timelapse/ --json > scores.jsonl
    """
    paths = list(expand(files))
    if not paths:
        fail("No JPEG files found there. Name files, or folders that hold .jpg files.", BAD_USAGE)
    if save_overlay is not None:
        try:
            save_overlay.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fail(f"Cannot make the folder {save_overlay}: {error.strerror}.", BAD_USAGE)
    threads = threads or usable_cores()
    try:
        vision = Vision.load(model, provider=provider, threads=threads)
    except ModelError as error:
        fail(str(error), BAD_USAGE)
    began = time.monotonic()
    bad = alarming = 0
    with vision, _progress(len(paths)) as bar:
        for inspected in inspect_files(vision, paths, threads, save_overlay):
            if inspected.evidence is None:
                bad += 1
                _say_error(inspected, json_lines)
            else:
                alarming += inspected.evidence.failure_probability >= FAILURE_THRESHOLD
                _say(inspected.file, inspected.evidence, json_lines, detail)
            if bar is not None:
                bar.advance(bar.task_ids[0])
    if not json_lines and len(paths) > 1:
        seconds = time.monotonic() - began
        typer.echo(
            f"{len(paths) - bad} pictures in {seconds:.1f} s ({(len(paths) - bad) / seconds:.0f} a second): "
            f"{alarming} at 50 % or more" + (f"; {bad} could not be inspected" if bad else "")
        )
    if bad:
        raise typer.Exit(BAD_FILE)


def expand(files: Iterable[Path]) -> Iterator[Path]:
    """The files as given; in place of a folder the JPEGs in and below it, by name."""
    for path in files:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        else:
            yield path


def inspect_files(
    vision: Vision, paths: Iterable[Path], threads: int, overlays: Path | None = None
) -> Iterator[FileInspection]:
    """Look at files side by side, and yield what was seen in the order of `paths`, as soon as it is known."""
    under_way: deque[Future[FileInspection]] = deque()
    names: set[str] = set()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="layerwatch-inspect")
    try:
        for path in paths:
            overlay = overlays / _unused_name(path, names) if overlays else None
            under_way.append(pool.submit(inspect_file, vision, path, overlay))
            if len(under_way) >= 4 * threads:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def inspect_file(vision: Vision, path: Path, overlay: Path | None = None) -> FileInspection:
    """Look at one file, and save its overlay if asked to. A bad file is an outcome, not an exception."""
    try:
        if path.stat().st_size > MAX_PICTURE_BYTES:
            return FileInspection(path, error=f"The file is larger than {MAX_PICTURE_BYTES:,} bytes.")
        jpeg = path.read_bytes()
        evidence = vision.inspect(jpeg)
        if overlay is not None:
            overlay.write_bytes(vision.overlay(jpeg, evidence))
    except ImageDecodeError as error:
        return FileInspection(path, error=str(error))
    except OSError as error:
        return FileInspection(path, error=f"{error.strerror or error}: {error.filename or path}.")
    return FileInspection(path, evidence)


def as_json(file: Path, evidence: Evidence, detail: bool = False) -> dict[str, Any]:
    """The object that `--json` prints. kind is null where no failure is in sight."""
    line: dict[str, Any] = {
        "file": str(file),
        "failure_probability": evidence.failure_probability,
        "kind": _kind(evidence),
        "condition": evidence.condition.value,
        "ms": round(evidence.milliseconds, 2),
    }
    if detail:
        rows, columns = evidence.heat.rows, evidence.heat.columns
        cells = evidence.heat.cells
        line |= {
            "kinds": evidence.kind_probabilities(),
            "print_in_view": evidence.print_in_view,
            "boxes": [asdict(box) for box in evidence.boxes],
            "heat": [
                [round(c / 255, 3) for c in cells[r * columns : (r + 1) * columns]] for r in range(rows)
            ],
            "brightness": evidence.brightness,
            "sharpness": evidence.sharpness,
            "model_version": evidence.model_version,
        }
    return line


def _kind(evidence: Evidence) -> str | None:
    return likely_kind(evidence.kinds) if shows_failure(evidence.failure_probability) else None


def _say(file: Path, evidence: Evidence, json_lines: bool, detail: bool) -> None:
    if json_lines:
        print(json.dumps(as_json(file, evidence, detail), ensure_ascii=False), flush=True)
        return
    colour = typer.colors.RED if evidence.failure_probability >= FAILURE_THRESHOLD else typer.colors.GREEN
    share = typer.style(f"{evidence.failure_probability:7.1%}", fg=colour, bold=True)
    kind = (_kind(evidence) or "-").replace("_", " ")
    condition = evidence.condition.value.replace("_", " ")
    if evidence.condition is not Condition.OK:
        condition = typer.style(f"{condition:<11}", fg=typer.colors.YELLOW)
    typer.echo(f"{share}  {kind:<15}  {condition:<11}  {evidence.milliseconds:6.1f} ms  {file}")


def _say_error(inspected: FileInspection, json_lines: bool) -> None:
    if json_lines:
        line = json.dumps({"file": str(inspected.file), "error": inspected.error}, ensure_ascii=False)
        print(line, file=sys.stderr, flush=True)
    else:
        typer.echo(
            typer.style("  error", fg=typer.colors.RED) + f"  {inspected.file}: {inspected.error}", err=True
        )


def _progress(total: int) -> Any:
    """A bar on stderr for long work whose output goes elsewhere; on a terminal the lines show progress."""
    console = Console(stderr=True)
    if total < PROGRESS_BAR_FROM or not console.is_terminal or sys.stdout.isatty():
        return nullcontext(None)
    bar = Progress(console=console)
    bar.add_task("Inspecting pictures", total=total)
    return bar


def _unused_name(path: Path, names: set[str]) -> str:
    """A name for the overlay of `path` that no other file of this run has."""
    name, number = f"{path.stem}.jpg", 1
    while name in names:
        number += 1
        name = f"{path.stem}-{number}.jpg"
    names.add(name)
    return name
