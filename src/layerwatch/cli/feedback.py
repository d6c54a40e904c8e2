"""`layerwatch feedback`: the review queue on the command line, and the way from it to training."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerwatch.cli.installation import Installation, on_installation
from layerwatch.cli.options import command_group
from layerwatch.cli.output import say, show, table

if TYPE_CHECKING:
    from layerwatch.learning import ExampleStore

app = command_group(
    "Review clients' feedback, and export the reviewed pictures for training.\n\n"
    "queue → review → export → `layerwatch-train all --data FOLDER` → `layerwatch models add`."
)


@app.command()
@on_installation
def queue(
    here: Installation,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")] = 50,
) -> None:
    """Show pictures without a label, those with the largest model error first."""
    from layerwatch.learning.service import queue as waiting

    with here.database.read() as session:
        rows = waiting(session, limit)
    waits = [
        {
            "id": row.id,
            "kind": row.kind,
            "failure_probability": row.failure_probability,
            "at": row.at.isoformat(),
            "picture": str(_examples(here).path(row.picture or "")),
        }
        for row in rows
    ]
    if here.as_json:
        for one in waits:
            show(one)
    else:
        table("To review", waits)


@app.command()
@on_installation
def review(
    here: Installation,
    feedback_id: Annotated[int, typer.Argument(help="The id from `layerwatch feedback queue`.")],
    label: Annotated[str, typer.Argument(help="good, failed, or other (ambiguous: left out of training).")],
    failure_type: Annotated[
        str | None, typer.Option("--type", help="The kind of failure, for example spaghetti.")
    ] = None,
) -> None:
    """Label one picture. A second review replaces the first."""
    from layerwatch.learning.service import review as judge

    with here.database.write() as session:
        judge(
            session,
            feedback_id,
            label=label,
            failure_type=failure_type,
            by=getpass.getuser(),
            at=here.now,
        )
    if here.as_json:
        show({"id": feedback_id, "label": label, "failure_type": failure_type})
    else:
        say(f"Feedback {feedback_id} is labelled {label}.")


@app.command()
@on_installation
def export(
    here: Installation,
    folder: Annotated[Path, typer.Argument(help="Folder for index.csv and images/.")],
) -> None:
    """Write the reviewed pictures in the index format that `layerwatch-train --data` reads."""
    from rich.console import Console
    from rich.progress import Progress

    from layerwatch.learning.service import export as write
    from layerwatch.learning.service import reviewed

    with here.database.read() as session:
        rows = reviewed(session)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Exporting", total=len(rows))
        count = write(rows, _examples(here), folder, progress=lambda: bar.advance(task))
    if here.as_json:
        show({"pictures": count, "folder": str(folder)})
    else:
        say(f"{count} pictures in {folder}")


@app.command()
@on_installation
def delete(
    here: Installation,
    feedback_ids: Annotated[
        list[int] | None, typer.Argument(help="Ids from `layerwatch feedback queue`.", show_default=False)
    ] = None,
    account: Annotated[int | None, typer.Option("--account", "-a", help="Only of this account.")] = None,
    context: Annotated[str | None, typer.Option("--context", help="Only of this print.")] = None,
) -> None:
    """Delete feedback and its pictures: by id, by account, or by print.

    Other nodes delete their pictures within an hour and a half.
    """
    from layerwatch.identity.audit import ON_THE_COMMAND_LINE, record
    from layerwatch.learning.deletion import BATCH, delete_feedback, remove_pictures

    if not feedback_ids and account is None and context is None:
        raise typer.BadParameter("Give the feedback to delete: ids, --account or --context.")
    rows, files, more = 0, 0, True
    while more:
        with here.database.write() as session:
            deleted = delete_feedback(
                session, ids=feedback_ids or None, account_id=account, context_id=context
            )
            if deleted.rows:
                which = f"{deleted.rows}: ids {feedback_ids or 'all'}, print {(context or 'all')[:12]}"
                record(session, ON_THE_COMMAND_LINE, "feedback deleted", which, here.now, account)
        rows, more = rows + deleted.rows, deleted.rows == BATCH
        files += remove_pictures(here.database, _examples(here), deleted.pictures)
    if here.as_json:
        show({"feedback": rows, "pictures": files})
    else:
        say(f"{rows} feedback and {files} pictures deleted.")


def _examples(here: Installation) -> ExampleStore:
    from layerwatch.learning import ExampleStore

    return ExampleStore(here.settings.data_dir / "examples")
