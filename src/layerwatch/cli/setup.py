"""`layerwatch setup`: find a printer, try it, and write the file that watches it."""

from __future__ import annotations

import typer

from layerwatch_watcher.setup import command

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
def setup(context: typer.Context) -> None:
    """Find a printer, try it, and write the file for `layerwatch watch --config`."""
    raise typer.Exit(command.main(context.args, "layerwatch watch --config"))
