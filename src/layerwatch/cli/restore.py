"""`layerwatch restore`: bring an installation back from its backup."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def command(
    file: Annotated[Path, typer.Argument(help="A file of `layerwatch backup`.", exists=True, dir_okay=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Replace existing data, which is moved aside, not deleted.")
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the server keeps its data.", file_okay=False)
    ] = None,
    config: Annotated[Path | None, typer.Option(help="The server's settings file (TOML).")] = None,
    database: Annotated[
        str | None, typer.Option(help="postgresql://USER@HOST/NAME, if the server uses it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Restore a backup. Stop the servers first.

    The backup is checked before anything changes. With PostgreSQL the database is restored by the command
    that is printed.
    """
    from layerwatch.backup import BackupError, restore
    from layerwatch.config import load

    settings = load(config, data_dir=data_dir, database=database)
    try:
        done = restore(settings, file, datetime.now(UTC), force=force)
    except OSError as error:
        raise BackupError(f"the backup cannot be restored: {error.strerror}") from error
    if as_json:
        print(
            json.dumps(
                {
                    "made_at": done.manifest.made_at,
                    "files": len(done.manifest.files),
                    "set_aside": [str(folder) for folder in done.set_aside],
                    "next_step": done.next_step,
                }
            )
        )
        return
    typer.echo(f"{len(done.manifest.files)} files of {done.manifest.made_at} restored.")
    for folder in done.set_aside:
        typer.echo(f"The previous data is in {folder}. Delete it when everything works.")
    if done.next_step:
        typer.echo(f"Now restore the database:\n\n    {done.next_step}\n")
