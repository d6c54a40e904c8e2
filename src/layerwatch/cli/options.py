"""Options that several commands share. Imports nothing heavy: every command's `--help` loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        file_okay=False,
        help="Folder of the embedded database and the secret.",
        show_default="LAYERWATCH_DATA_DIR, else ~/.local/share/layerwatch",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings file (TOML). LAYERWATCH_* variables override it."
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", help="postgresql://USER@HOST/NAME instead of the embedded database."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


class CommandGroup(TyperGroup):
    """A group whose help shows the whole first sentence of each command's."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, first_sentence(self.get_command(ctx, name))) for name in self.list_commands(ctx)]
            )


def first_sentence(command: Any) -> str:
    """What a command does, in one sentence."""
    return str(command.get_short_help_str(limit=200))


def command_group(text: str) -> typer.Typer:
    """A group of commands under one name, with its help text."""
    return typer.Typer(
        cls=CommandGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=text
    )
