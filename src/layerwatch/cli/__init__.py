"""The `layerwatch` command. Each command lives in its own module and is imported only when it is called.

Exit status: 0 done; 1 it failed, or found something wrong; 2 the command line, a setting or the input cannot
be used; 130 interrupted. Errors are printed on standard error and begin with `Error: `.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from layerwatch.cli.options import first_sentence
from layerwatch.core.errors import UserError

# Sections of the help, in the order in which a newcomer needs them: command → module under layerwatch.cli.
# A module holds either `app` (a group of commands) or `command` (a single one).
SECTIONS: Final[dict[str, dict[str, str]]] = {
    "Start here": {
        "demo": "demo",
        "setup": "setup",
        "watch": "watch",
        "serve": "serve",
    },
    "Pictures and past prints": {
        "inspect": "inspect",
        "replay": "replay",
        "simulate": "simulate",
        "simulate-load": "simulate_load",
    },
    "A server and its accounts": {
        "keys": "keys",
        "accounts": "accounts",
        "users": "users",
        "usage": "usage",
        "invoices": "invoices",
        "pricebook": "pricebook",
    },
    "Operation": {
        "feedback": "feedback",
        "models": "models",
        "printers": "printers",
        "regions": "regions",
        "migrate": "migrate",
        "backup": "backup",
        "restore": "restore",
    },
}
COMMANDS: Final[dict[str, str]] = {
    name: module for part in SECTIONS.values() for name, module in part.items()
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
            single = typer.Typer(add_completion=False, rich_markup_mode=None)
            single.command()(module.command)
            command = typer.main.get_command(single)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            close = " or ".join(f"`layerwatch {each}`" for each in get_close_matches(name, COMMANDS, n=2))
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {close}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, first_sentence(self.get_command(ctx, name))) for name in commands])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            from layerwatch.cli.output import fail

            fail(str(error), error.exit_status)


app = typer.Typer(
    cls=LazyGroup,
    name="layerwatch",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help=(
        "Watch 3D prints through their webcams and say when one is failing.\n\n"
        "\b\n"
        "New here?\n"
        "  layerwatch demo                       see it at work, with simulated prints\n"
        "  layerwatch watch http://HOST/webcam/  watch a camera, in this terminal\n"
        "  layerwatch setup                      find your printer and watch it for good\n"
        "  layerwatch serve                      run your own server, with API and console"
    ),
    epilog="`layerwatch COMMAND --help` explains a command. Exit status: 0 done, 1 failed, 2 wrong usage.",
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
    """Run the command line; Ctrl-C and a closed pipe end it without a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
