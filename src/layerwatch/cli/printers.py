"""`layerwatch printers`: what is remembered of an account's printers, and forgetting it."""

from __future__ import annotations

from typing import Annotated

import typer

from layerwatch.cli.installation import Installation, WhichAccount, account_of, on_installation
from layerwatch.cli.options import command_group
from layerwatch.cli.output import say, show, table
from layerwatch.identity.audit import ON_THE_COMMAND_LINE, record
from layerwatch.printers import repository
from layerwatch.printers.service import read_bed, read_scene

app = command_group(
    "What is remembered of a printer from print to print: prints whose context was opened with the label "
    "Printer (and Camera). Forgotten after 90 days without a print."
)


@app.command("list")
@on_installation
def list_(here: Installation, account: WhichAccount = None) -> None:
    """Show the printers of an account that are remembered."""
    with here.database.write() as session:
        rows = []
        for row in repository.memories(session, account_of(session, account, here.now).id):
            scene, bed = read_scene(row.scene), read_bed(row.bed)
            rows.append(
                {
                    "printer": row.printer,
                    "camera": row.camera,
                    "prints": scene.prints if scene else 0,
                    "empty_bed": "no" if bed is None else "shown" if bed.taught else "learned",
                    "bytes": len(row.scene or b"") + len(row.bed or b""),
                    "printed_at": row.printed_at.isoformat(timespec="seconds"),
                }
            )
    if here.as_json:
        show(rows)
    else:
        table("Printers", rows, right=("prints", "bytes"))


@app.command()
@on_installation
def forget(
    here: Installation,
    printer: Annotated[
        str | None, typer.Argument(help="The printer's label.", show_default="all of the account")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="Only before this camera.", show_default="all")] = None,
    account: WhichAccount = None,
) -> None:
    """Delete what is remembered of a printer, or of all printers of an account.

    A print that runs goes on with what it started from, and teaches nothing.
    """
    with here.database.write() as session:
        owner = account_of(session, account, here.now).id
        gone = repository.forget(session, owner, printer, camera)
        record(session, ON_THE_COMMAND_LINE, "printers forgotten", printer or "all", here.now, owner)
    if here.as_json:
        show({"forgotten": gone})
    else:
        say(f"{gone} memories of printers deleted.")
