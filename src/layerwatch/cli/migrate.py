"""`layerwatch migrate`: bring the database's tables to this version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def command(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the embedded database and the secret.", file_okay=False)
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    database: Annotated[
        str | None, typer.Option(help="postgresql://USER@HOST/NAME instead of the embedded database.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring the database's tables to this version.

    `layerwatch serve` does the same when it starts. Run this before an update of many servers to see it
    succeed once; several at a time wait for each other, and what is up to date is left alone.
    """
    from layerwatch.config import load
    from layerwatch.core.errors import UserError
    from layerwatch.storage import Database, StorageError
    from layerwatch.storage.migrate import version

    settings = load(config, data_dir=data_dir, database=database)
    try:
        tables = Database(settings.database_url)
        try:
            before = version(tables.engine)
            tables.migrate()
            after = version(tables.engine)
        finally:
            tables.close()
    except (StorageError, ValueError) as error:
        raise UserError(str(error)) from error
    if as_json:
        print(json.dumps({"before": before, "after": after}))
    elif before == after:
        typer.echo(f"The tables are up to date (version {after}).")
    else:
        typer.echo(f"The tables were migrated from version {before or 'none'} to {after}.")
