"""`layerwatch feedback`: the review queue on the command line, and the way from it to training."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from layerwatch.cli.installation import Installation, on_installation
from layerwatch.cli.options import command_group
from layerwatch.cli.output import say, show, table

app = command_group(
    "Review clients' feedback, and export the reviewed pictures for training.\n\n"
    "queue → review → export → `layerwatch-train improve` → `layerwatch models add`."
)

PictureId = Annotated[int, typer.Argument(help="The id from `layerwatch feedback queue`.")]


@app.command()
@on_installation
def queue(
    here: Installation,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")] = 50,
) -> None:
    """Show pictures without a label, those that would teach the model most first."""
    from layerwatch.learning.queue import queue as waiting

    with here.database.read() as session:
        reviewer = getpass.getuser() if here.settings.review_two_people else None
        waits = [
            {
                "id": one.row.id,
                "kind": one.feedback.kind,
                "failure_kind": one.feedback.reported_type,
                "comment": one.feedback.comment,
                "failure_probability": one.row.failure_probability,
                "at": one.feedback.at.isoformat(),
                "sha256": one.row.sha256,
            }
            for one in waiting(session, limit, reviewer=reviewer)
        ]
    if here.as_json:
        for one in waits:
            show(one)
    else:
        table("To review", [row | {"sha256": str(row["sha256"])[:12]} for row in waits])


@app.command()
@on_installation
def picture(
    here: Installation,
    picture_id: PictureId,
    file: Annotated[Path, typer.Argument(help="Where to write the JPEG.")],
) -> None:
    """Write one picture to a file, to look at it."""
    from layerwatch.core.private_files import replacing
    from layerwatch.learning.review import find
    from layerwatch.learning.service import name_of

    with here.database.read() as session:
        name = name_of(find(session, picture_id).row)
    jpeg = here.examples.get(name)
    with replacing(file) as copy:
        copy.write(jpeg)
    show({"id": picture_id, "file": str(file)}) if here.as_json else say(str(file))


@app.command()
@on_installation
def review(
    here: Installation,
    picture_id: PictureId,
    label: Annotated[str, typer.Argument(help="good, failed, or other (ambiguous: left out of training).")],
    failure_type: Annotated[
        str | None, typer.Option("--type", help="The kind of failure, for example spaghetti.")
    ] = None,
) -> None:
    """Label one picture. A second review replaces the first.

    With the setting `review_two_people` it counts once a second person has given the same label.
    """
    from layerwatch.learning.review import review as judge

    with here.database.write() as session:
        row = judge(
            session,
            picture_id,
            label=label,
            failure_type=failure_type,
            by=getpass.getuser(),
            at=here.now,
            two_people=here.settings.review_two_people,
        )
        settled = row.label
    if here.as_json:
        show({"id": picture_id, "label": label, "failure_type": failure_type, "settled": settled})
    elif settled is None:
        say(f"Picture {picture_id}: {label}, once another person agrees.")
    else:
        say(f"Picture {picture_id} is labelled {settled}.")


@app.command()
@on_installation
def export(
    here: Installation,
    folder: Annotated[Path, typer.Argument(help="Folder for index.csv, withdrawn.txt and images/.")],
) -> None:
    """Write the reviewed pictures in the index format that `layerwatch-train --data` reads.

    Accounts and printers are in it under pseudonyms. Pictures that were withdrawn since an earlier export to
    the same folder are removed from it.
    """
    from rich.console import Console
    from rich.progress import Progress

    from layerwatch.learning.export import Pseudonyms
    from layerwatch.learning.export import export as write
    from layerwatch.learning.repository import withdrawn as gone
    from layerwatch.learning.review import reviewed

    with here.database.read() as session:
        rows, hashes = reviewed(session), gone(session)
        session.expunge_all()
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Exporting", total=len(rows))
        done = write(
            rows,
            hashes,
            here.examples,
            Pseudonyms(here.settings.secrets().pseudonyms),
            folder,
            progress=lambda: bar.advance(task),
        )
    if here.as_json:
        show({**done._asdict(), "withdrawn": len(hashes), "folder": str(folder)})
    else:
        missing = f"; {done.missing} are missing from the object store" if done.missing else ""
        say(f"{done.pictures} pictures in {folder}{missing}")


@app.command()
@on_installation
def withdrawn(
    here: Installation,
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder of an earlier export, for a new withdrawn.txt.", show_default=False),
    ] = None,
    apply: Annotated[
        Path | None, typer.Option(help="A withdrawn.txt whose pictures are deleted here, too.")
    ] = None,
) -> None:
    """List the SHA-256 of every picture that was deleted, so that earlier exports drop it.

    After a backup was restored, `--apply` deletes again what had been withdrawn since it was made.
    """
    from layerwatch.learning.deletion import delete_withdrawn
    from layerwatch.learning.export import read_withdrawn, write_withdrawn
    from layerwatch.learning.repository import withdrawn as gone

    if apply is not None:
        delete_withdrawn(here.database, here.examples, read_withdrawn(apply), here.now)
    with here.database.read() as session:
        hashes = gone(session)
    if folder is not None:
        write_withdrawn(hashes, folder)
    if here.as_json:
        show({"withdrawn": list(hashes)})
    elif folder is not None:
        say(f"{len(hashes)} withdrawn pictures listed in {folder}")
    else:
        say("\n".join(hashes))


@app.command()
@on_installation
def delete(
    here: Installation,
    feedback_ids: Annotated[
        list[int] | None,
        typer.Argument(help="Ids of feedback, as the console shows them.", show_default=False),
    ] = None,
    account: Annotated[int | None, typer.Option("--account", "-a", help="Only of this account.")] = None,
    context: Annotated[str | None, typer.Option("--context", help="Only of this print.")] = None,
) -> None:
    """Delete feedback and its pictures: by id, by account, or by print."""
    from layerwatch.identity.audit import ON_THE_COMMAND_LINE, record
    from layerwatch.learning.deletion import BATCH, delete_feedback

    if not feedback_ids and account is None and context is None:
        raise typer.BadParameter("Give the feedback to delete: ids, --account or --context.")
    examples = here.examples
    rows, pictures, more = 0, 0, True
    while more:
        with here.database.write() as session:
            deleted = delete_feedback(
                session, now=here.now, ids=feedback_ids or None, account_id=account, context_id=context
            )
            if deleted.rows:
                which = f"{deleted.rows}: ids {feedback_ids or 'all'}, print {(context or 'all')[:12]}"
                record(session, ON_THE_COMMAND_LINE, "feedback deleted", which, here.now, account)
        examples.delete(deleted.pictures)
        rows, more = rows + deleted.rows, deleted.rows == BATCH
        pictures += len(deleted.pictures)
    if here.as_json:
        show({"feedback": rows, "pictures": pictures})
    else:
        say(f"{rows} feedback and {pictures} pictures deleted.")
