"""`layerwatch feedback`: the review queue on the command line, and the way from it to training."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerwatch.cli.output import say, show, table
from layerwatch.core.errors import UserError

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
        waits = [
            {
                "id": row.id,
                "kind": row.kind,
                "failure_probability": row.failure_probability,
                "at": row.at.isoformat(),
                "picture": str(examples.path(row.picture or "")),
            }
            for row in rows
        ]
    if as_json:
        for one in waits:
            show(one)
    else:
        table("To review", waits)


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

    with _opened(data_dir) as (database, _, _), database.write() as session:
        judge(
            session,
            feedback_id,
            label=label,
            failure_type=failure_type,
            by=getpass.getuser(),
            at=datetime.now(UTC),
        )
    say(f"Feedback {feedback_id} is labelled {label}.")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where index.csv and images/ are written.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write the reviewed pictures in the index format that `layerwatch-train --data` reads."""
    from rich.console import Console
    from rich.progress import Progress

    from layerwatch.learning.service import export as write
    from layerwatch.learning.service import reviewed

    with _opened(data_dir) as (database, examples, _):
        with database.read() as session:
            rows = reviewed(session)
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Exporting", total=len(rows))
            count = write(rows, examples, folder, progress=lambda: bar.advance(task))
    if as_json:
        show({"pictures": count, "folder": str(folder)})
    else:
        say(f"{count} pictures in {folder}")


@app.command()
def delete(
    feedback_ids: Annotated[
        list[int] | None, typer.Argument(help="Ids from `layerwatch feedback queue`.", show_default=False)
    ] = None,
    account: Annotated[int | None, typer.Option("--account", "-a", help="Only of this account.")] = None,
    context: Annotated[str | None, typer.Option("--context", help="Only of this print.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Delete feedback and its pictures: by id, of an account, or of a print.

    Pictures on other nodes are removed by those nodes within an hour and a half.
    """
    from layerwatch.identity.audit import ON_THE_COMMAND_LINE, record
    from layerwatch.learning.deletion import BATCH, delete_feedback, remove_pictures

    if not feedback_ids and account is None and context is None:
        raise UserError("Say which feedback to delete: ids, --account or --context.")
    rows, files, more = 0, 0, True
    with _opened(data_dir) as (database, examples, _):
        while more:
            with database.write() as session:
                deleted = delete_feedback(
                    session, ids=feedback_ids or None, account_id=account, context_id=context
                )
                if deleted.rows:
                    which = f"{deleted.rows}: ids {feedback_ids or 'all'}, print {(context or 'all')[:12]}"
                    record(
                        session, ON_THE_COMMAND_LINE, "feedback deleted", which, datetime.now(UTC), account
                    )
            rows, more = rows + deleted.rows, deleted.rows == BATCH
            files += remove_pictures(database, examples, deleted.pictures)
    if as_json:
        show({"feedback": rows, "pictures": files})
    else:
        say(f"{rows} feedback and {files} pictures deleted.")


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
