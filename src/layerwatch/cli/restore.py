"""`layerwatch restore`: bring an installation back from its backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerwatch.cli.installation import Installation, on_installation
from layerwatch.cli.output import show


@on_installation
def command(
    here: Installation,
    file: Annotated[Path, typer.Argument(help="A file of `layerwatch backup`.", exists=True, dir_okay=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Replace existing data, which is moved aside, not deleted.")
    ] = False,
) -> None:
    """Restore a backup. Stop the servers first.

    The backup is checked before anything changes. With PostgreSQL the database is restored by the command
    that is printed.
    """
    from layerwatch.backup import BackupError, restore

    try:
        done = restore(here.settings, file, here.now, force=force)
    except OSError as error:
        raise BackupError(f"the backup cannot be restored: {error.strerror}") from error
    if here.as_json:
        show(
            {
                "made_at": done.manifest.made_at,
                "files": len(done.manifest.files),
                "set_aside": [str(folder) for folder in done.set_aside],
                "next_step": done.next_step,
            }
        )
        return
    typer.echo(f"{len(done.manifest.files)} files of {done.manifest.made_at} restored.")
    for folder in done.set_aside:
        typer.echo(f"The previous data is in {folder}. Delete it when everything works.")
    if done.next_step:
        typer.echo(f"Now restore the database:\n\n    {done.next_step}\n")
