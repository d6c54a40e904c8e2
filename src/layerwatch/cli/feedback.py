"""`layerwatch feedback`: the review queue on the command line, and the way from it to training."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from layerwatch.config import Settings
    from layerwatch.learning import ExampleStore
    from layerwatch.storage import Database

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Review what clients said of their prints, and export the reviewed pictures for training.\n\n"
        "queue → review → export → `layerwatch-train all --data FOLDER` → `layerwatch models add`."
    ),
)
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where the server keeps its data.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command()
def queue(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show pictures that wait for a label, those that surprise the model most first."""
    from layerwatch.learning.service import queue as waiting

    with _opened(data_dir) as (database, examples, _):
        with database.read() as session:
            rows = waiting(session, limit)
        table = Table("id", "said", "model's probability", "when", "picture")
        for row in rows:
            path = str(examples.path(row.picture or ""))
            if as_json:
                typer.echo(
                    json.dumps(
                        {
                            "id": row.id,
                            "kind": row.kind,
                            "failure_probability": row.failure_probability,
                            "at": row.at.isoformat(),
                            "picture": path,
                        }
                    )
                )
            shown = "-" if row.failure_probability is None else f"{row.failure_probability:.3f}"
            table.add_row(str(row.id), row.kind, shown, f"{row.at:%Y-%m-%d %H:%M}", path)
    if not as_json:
        Console().print(table if rows else "Nothing waits for review.")


@app.command()
def review(
    feedback_id: Annotated[int, typer.Argument(help="The id from `layerwatch feedback queue`.")],
    label: Annotated[str, typer.Argument(help="good, failed, or other (ambiguous: left out of training).")],
    failure_type: Annotated[
        str | None, typer.Option("--type", help="The kind of failure, as in spaghetti.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Label one picture. A second review replaces the first."""
    from layerwatch.learning.service import review as judge

    with _opened(data_dir) as (database, _, _), database.begin() as session:
        judge(
            session,
            feedback_id,
            label=label,
            failure_type=failure_type,
            by=getpass.getuser(),
            at=datetime.now(UTC),
        )
    typer.echo(f"Feedback {feedback_id} is labelled {label}.")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where index.csv and images/ are written.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write the reviewed pictures in the index format that `layerwatch-train --data` reads."""
    from rich.progress import Progress

    from layerwatch.learning.service import export as write
    from layerwatch.learning.service import reviewed

    with _opened(data_dir) as (database, examples, _):
        with database.read() as session:
            rows = reviewed(session)
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Exporting", total=len(rows))
            count = write(rows, examples, folder, progress=lambda: bar.advance(task))
    typer.echo(
        json.dumps({"pictures": count, "folder": str(folder)}) if as_json else f"{count} pictures in {folder}"
    )


@contextmanager
def _opened(data_dir: Path | None) -> Iterator[tuple[Database, ExampleStore, Settings]]:
    from layerwatch.config import load
    from layerwatch.learning import ExampleStore
    from layerwatch.storage import Database

    settings = load(data_dir=data_dir)
    database = Database(settings.database_url)
    try:
        database.migrate()
        yield database, ExampleStore(settings.data_dir / "examples"), settings
    finally:
        database.close()
