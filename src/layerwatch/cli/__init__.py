"""The `layerwatch` command. Each command lives in its own module and is imported only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from layerwatch.core.errors import UserError

# name → module under layerwatch.cli. A module holds either `app` (a group of commands) or
# `command` (a single one). Listed in the order in which a newcomer needs them.
COMMANDS: Final[dict[str, str]] = {
    "demo": "demo",
    "serve": "serve",
    "watch": "watch",
    "setup": "setup",
    "inspect": "inspect",
    "replay": "replay",
    "simulate": "simulate",
    "simulate-load": "simulate_load",
    "keys": "keys",
    "accounts": "accounts",
    "users": "users",
    "usage": "usage",
    "invoices": "invoices",
    "pricebook": "pricebook",
    "feedback": "feedback",
    "printers": "printers",
    "models": "models",
    "regions": "regions",
    "migrate": "migrate",
    "backup": "backup",
    "restore": "restore",
}


class LazyGroup(TyperGroup):
    """A command group that imports a command's module only when that command is asked for.

    It keeps `layerwatch watch` on a small board from paying for the server's libraries.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        module_name = COMMANDS.get(cmd_name)
        if module_name is None:
            return None
        module = import_module(f"{__name__}.{module_name}")
        group = getattr(module, "app", None)
        if group is not None:
            command = typer.main.get_command(group)
        else:
            single = typer.Typer(add_completion=False)
            single.command()(module.command)
            command = typer.main.get_command(single)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyGroup,
    name="layerwatch",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Watch 3D prints through their webcams and say when one is failing.\n\n"
        "New here? Try `layerwatch demo`. Then `layerwatch serve` starts your own server and "
        "`layerwatch watch URL` watches a camera."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from layerwatch import __version__

        typer.echo(f"layerwatch {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options of the command itself."""


def main() -> None:
    """Run the command line; Ctrl-C, a closed pipe and a user's error end it without a traceback."""
    try:
        app()
    except UserError as error:
        from layerwatch.cli.output import print_error

        print_error(f"layerwatch: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
