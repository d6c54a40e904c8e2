"""`layerwatch-train improve-demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

_console = Console(stderr=True)


def improve_demo(
    data: Annotated[Path, typer.Option(help="Folder with index.csv and the pictures it lists.")],
    source: Annotated[str, typer.Option(help="The source that the first detector has not seen.")] = "Prottos",
    begin: Annotated[
        Path | None,
        typer.Option(
            help="A detector that has seen nothing of the source, its look-alikes, nor what is judged on. "
            "Without one a small detector is trained first.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for everything made.")] = Path("runs/improve-demo"),
    steps: Annotated[int, typer.Option(min=1, help="Of the candidate's training.")] = 150,
    flip: Annotated[
        bool, typer.Option("--flip", help="Poison it: the most active user's labels are all wrong.")
    ] = False,
    swap: Annotated[
        bool, typer.Option("--swap", help="The other half of the source's printers reports.")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads and worker processes.")] = 1,
) -> None:
    """Improve a detector by feedback, from users' calls on a real server to the promotion, on real pictures.

    Leaves OUT/table.md: both detectors on printers of the source that nobody reported, and on other sources.
    """
    from dataclasses import replace

    import torch

    from layerwatch_train.improve.recipe import Recipe
    from layerwatch_train.improve_demo.run import Setting, demo
    from layerwatch_train.improve_demo.server import DemoError
    from layerwatch_train.index import IndexFormatError
    from layerwatch_train.public import DetectorFileError
    from layerwatch_train.runs import Plan, Runs

    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    runs = Runs(data, out, replace(Plan(), workers=threads), _say)
    setting = Setting(source, begin, Recipe(steps=steps), flip, int(swap))
    try:
        with Progress(console=_console, transient=True) as bar:
            task = bar.add_task("Candidate", total=steps)
            made = demo(runs, setting, _say, lambda done: bar.update(task, completed=done))
    except (DemoError, IndexFormatError, DetectorFileError) as error:
        _console.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(2) from None
    typer.echo((out / "table.md").read_text(encoding="utf-8"))
    typer.echo(f"report: {made.report}")


def _say(text: str) -> None:
    _console.print(text, highlight=False)
