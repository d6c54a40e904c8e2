"""`layerwatch backup`: write everything that cannot be lost into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerwatch.cli.installation import Installation, on_installation
from layerwatch.cli.output import show


@on_installation
def command(
    here: Installation,
    file: Annotated[Path, typer.Argument(help="The backup file to write.", dir_okay=False)],
) -> None:
    """Write the database, the secret, the models and the pictures behind feedback into one file.

    Servers may run meanwhile. Keep the file as you would keep the secret. With PostgreSQL the database is not
    in it: the command for that is printed.
    """
    from layerwatch.backup import BackupError, back_up

    try:
        made = back_up(here.settings, file, here.now)
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}") from error
    files = made.manifest.files
    if here.as_json:
        show(
            {
                "file": str(file),
                "files": len(files),
                "bytes": sum(entry.bytes for entry in files.values()),
                "tables": made.manifest.tables,
                "next_step": made.next_step,
            }
        )
        return
    typer.echo(f"{len(files)} files, {sum(entry.bytes for entry in files.values()):,} bytes in {file}.")
    if not made.has_secret:
        typer.echo(
            "It does not contain the secret, which comes from LAYERWATCH_SECRET. Keep that safe elsewhere."
        )
    if made.next_step:
        typer.echo(f"It does not contain the database. Back that up now:\n\n    {made.next_step}\n")
