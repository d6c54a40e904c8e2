"""`layerwatch simulate`: render a print as a webcam would see it, with the truth beside the pictures."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from layerwatch.core.errors import UserError
from layerwatch.simulator import FAILURES, KIND_OF, NUISANCES, SHAPES, VIEWPOINTS, WORLDS, Simulation
from layerwatch.simulator.gcode import GcodeError, read_gcode

MAX_FRAMES = 100_000
"""Frames written by one call at most, so that a slip of the keyboard does not fill the disk."""


def command(
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the pictures and truth.jsonl.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same print, to the pixel.")] = 0,
    failure: Annotated[
        str | None,
        typer.Option(help="The failure: a name from --list, or 'random'. Default: none.", show_default=False),
    ] = None,
    world: Annotated[
        str | None, typer.Option(help="bedslinger, corexy or delta.", show_default="drawn from the seed")
    ] = None,
    view: Annotated[
        str | None, typer.Option(help="Camera position; see --list.", show_default="drawn from the seed")
    ] = None,
    hours: Annotated[
        float | None, typer.Option(help="Length of the print.", show_default="drawn from the seed")
    ] = None,
    onset: Annotated[
        float | None,
        typer.Option(min=0, help="Second of printing at which the failure begins.", show_default="drawn"),
    ] = None,
    interval: Annotated[float, typer.Option(help="Seconds between pictures.")] = 30.0,
    size: Annotated[str, typer.Option(metavar="WxH", help="Pixels of a picture.")] = "640x480",
    gcode: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Print this G-code instead of a random part.", show_default=False),
    ] = None,
    calm: Annotated[
        bool, typer.Option("--calm", help="No hands, lamps, bumps, pauses; a clean lens and little noise.")
    ] = False,
    list_names: Annotated[
        bool, typer.Option("--list", help="List failures, worlds, views and events.")
    ] = False,
    json_lines: Annotated[
        bool, typer.Option("--json", help="Print each picture's truth as one JSON object a line.")
    ] = False,
) -> None:
    """Render a simulated print: pictures named in time order, and truth.jsonl with one line for each.

    Nothing here is a photograph. A line of truth says what is printed, how far it is, whether, how and since
    when it has failed, how badly (0 to 1) and in which boxes of the picture.

    Examples:

      layerwatch simulate --seed 7 --failure spaghetti --world bedslinger --hours 2 --out print7/

      layerwatch simulate --gcode benchy.gcode --failure layer_shift --interval 60 --out benchy/

      layerwatch simulate --list
    """
    if list_names:
        _list(json_lines)
        return
    if out is None:
        raise typer.BadParameter(
            "Give a folder for the pictures: --out DIR (or list the options with --list)."
        )
    if interval <= 0:
        raise typer.BadParameter(f"--interval must be above 0 seconds, not {interval:g}.")
    simulation = _simulation(seed, failure, world, view, hours, onset, _size(size), gcode, calm)
    count = int(simulation.duration // interval) + 1
    if count > MAX_FRAMES:
        raise UserError(f"That would be {count:,} pictures; the maximum is {MAX_FRAMES:,}. Raise --interval.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.glob("*.jpg")):
            raise UserError(f"{out} already contains pictures; choose an empty or a new folder.")
        _write(simulation, out, interval, count, json_lines)
    except OSError as error:
        raise UserError(f"Cannot write to {out}: {error.strerror or error}.") from error


def _simulation(
    seed: int,
    failure: str | None,
    world: str | None,
    view: str | None,
    hours: float | None,
    onset: float | None,
    size: tuple[int, int],
    gcode: Path | None,
    calm: bool,
) -> Simulation:
    try:
        plan = read_gcode(gcode) if gcode is not None else None
        return Simulation(
            seed,
            failure,
            world,
            None if hours is None else hours * 3600,
            nuisance=not calm,
            size=size,
            viewpoint=view,
            onset=onset,
            plan=plan,
        )
    except GcodeError as error:
        raise UserError(f"{gcode}: {error}") from error
    except OSError as error:
        raise UserError(f"Cannot read {gcode}: {error.strerror or error}.") from error
    except ValueError as error:
        raise UserError(
            f"{str(error)[0].upper()}{str(error)[1:]}. `layerwatch simulate --list` shows all."
        ) from error


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise typer.BadParameter(f"--size is WIDTHxHEIGHT, for example 640x480, not {text!r}.")
    if not (64 <= int(width) <= 1920 and 64 <= int(height) <= 1920):
        raise typer.BadParameter(f"--size must be between 64x64 and 1920x1920, not {text}.")
    return int(width) // 2 * 2, int(height) // 2 * 2


def _write(simulation: Simulation, out: Path, interval: float, count: int, json_lines: bool) -> None:
    began = time.monotonic()
    columns = (TextColumn("Rendering"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with (
        Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar,
        (out / "truth.jsonl").open("w", encoding="utf-8") as truths,
    ):
        task = bar.add_task("", total=count)
        for number in range(count):
            frame = simulation.frame(number * interval)
            name = f"{number:06d}.jpg"
            (out / name).write_bytes(frame.jpeg())
            line = json.dumps({"file": name, **frame.truth.as_dict()})
            truths.write(line + "\n")
            if json_lines:
                typer.echo(line)
            bar.advance(task)
    if not json_lines:
        seconds = time.monotonic() - began
        ending = "healthy to the end"
        if simulation.failure is not None and simulation.onset is not None:
            ending = f"{simulation.failure.name} from second {simulation.onset:.0f}"
        typer.echo(f"{count} pictures in {out} in {seconds:.0f} s: {simulation.print.name}, {ending}.")


def _list(json_lines: bool) -> None:
    groups: dict[str, list[str]] = {
        "failures": list(FAILURES),
        "worlds": list(WORLDS),
        "views": list(VIEWPOINTS),
        "events": list(NUISANCES),
        "shapes": list(SHAPES),
    }
    if json_lines:
        typer.echo(json.dumps(groups | {"kind_of": KIND_OF}))
        return
    for group, names in groups.items():
        typer.echo(f"{group}:")
        for name in names:
            seen = f"  (seen as {KIND_OF[name]})" if KIND_OF.get(name, name) != name else ""
            typer.echo(f"  {name}{seen}")
