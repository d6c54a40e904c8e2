"""`layerwatch backup`: write everything that cannot be lost into one file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def command(
    file: Annotated[Path, typer.Argument(help="The backup file to write.", dir_okay=False)],
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the server keeps its data.", file_okay=False)
    ] = None,
    config: Annotated[Path | None, typer.Option(help="The server's settings file (TOML).")] = None,
    database: Annotated[
        str | None, typer.Option(help="postgresql://USER@HOST/NAME, if the server uses it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write the database, the secret, the models and the pictures behind feedback into one file.

    Servers may run meanwhile. Keep the file as you would keep the secret. With PostgreSQL the database is not
    in it: the command for that is printed.
    """
    from layerwatch.backup import BackupError, back_up
    from layerwatch.config import load

    settings = load(config, data_dir=data_dir, database=database)
    try:
        made = back_up(settings, file, datetime.now(UTC))
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}") from error
    files = made.manifest.files
    if as_json:
        print(
            json.dumps(
                {
                    "file": str(file),
                    "files": len(files),
                    "bytes": sum(entry.bytes for entry in files.values()),
                    "tables": made.manifest.tables,
                    "next_step": made.next_step,
                }
            )
        )
        return
    typer.echo(f"{len(files)} files, {sum(entry.bytes for entry in files.values()):,} bytes in {file}.")
    if not made.has_secret:
        typer.echo(
            "It does not contain the secret, which comes from LAYERWATCH_SECRET. Keep that safe elsewhere."
        )
    if made.next_step:
        typer.echo(f"It does not contain the database. Back that up now:\n\n    {made.next_step}\n")
