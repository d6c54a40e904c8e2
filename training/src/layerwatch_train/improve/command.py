"""`layerwatch-train improve`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

_console = Console(stderr=True)

REFUSED = 1
"""Exit status when the candidate is not better."""


def improve(
    data: Annotated[Path, typer.Option(help="Base data: folder with index.csv.")],
    reviewed: Annotated[
        Path, typer.Option(help="Folder that `layerwatch feedback export` wrote: index.csv, withdrawn.txt.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, candidate and report.")] = Path(
        "runs/improve"
    ),
    begin: Annotated[
        Path | None, typer.Option(help="The current detector's file.", show_default="the packaged one")
    ] = None,
    frozen: Annotated[
        list[Path] | None,
        typer.Option(
            help="A folder with index.csv that is only judged on. May be given several times. Without one, a "
            "fold of the base data is left out for that.",
            show_default=False,
        ),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ACCOUNT",
            help="Use this account's examples even if its labels contradict all others. May be given several "
            "times.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of the training; 300 by default.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few steps: to see that it runs.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
) -> None:
    """Train a candidate from the current detector on base data and reviewed feedback, and judge both.

    Writes OUT/*/candidate.onnx, ready for `layerwatch models add`, and OUT/*/report.md. Ends with status 1
    if the candidate is not better than the current detector: `models add` then refuses the file.
    """
    from dataclasses import replace

    import torch

    from layerwatch_train.improve.judge import BETTER
    from layerwatch_train.improve.recipe import QUICK, Recipe
    from layerwatch_train.improve.steps import Order
    from layerwatch_train.improve.steps import improve as make
    from layerwatch_train.index import IndexFormatError
    from layerwatch_train.public import DetectorFileError

    torch.set_num_threads(threads)
    recipe = QUICK if quick else Recipe()
    recipe = replace(recipe, steps=steps or recipe.steps)
    order = Order(data, reviewed, out, begin, tuple(frozen or ()), frozenset(trust or ()), recipe)
    try:
        with Progress(console=_console, transient=True) as bar:
            task = bar.add_task("Training", total=recipe.steps)
            made = make(order, _log, lambda done: bar.update(task, completed=done))
    except (IndexFormatError, DetectorFileError) as error:
        _console.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(2) from None
    typer.echo(f"{made.verdict.outcome}: {'; '.join(made.verdict.why)}")
    typer.echo(f"report: {made.report}\ncandidate: {made.file}")
    if made.verdict.outcome != BETTER:
        raise typer.Exit(REFUSED)


def _log(text: str) -> None:
    _console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {text}", highlight=False)
