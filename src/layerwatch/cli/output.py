"""Printing: the one way for a command's text, tables and JSON to reach the terminal.

Names in the database were written by users. Nothing here interprets Rich's markup, and control and
text-direction characters are printed as escapes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from layerwatch.core.text import escape_unsafe


def say(text: str, *, err: bool = False) -> None:
    """Print one line; a line break in `text` is escaped as well."""
    typer.echo(escape_unsafe(text), err=err)


def show(value: Any) -> None:
    """Print one JSON value on one line."""
    typer.echo(escape_unsafe(json.dumps(value, ensure_ascii=False)))


def table(title: str, rows: Sequence[Mapping[str, Any]], right: Sequence[str] = ()) -> None:
    """Print rows with the same keys as a table; the columns named in `right` are numbers."""
    if not rows:
        say(f"{title}: none" if title else "none")
        return
    printed = Table(title=_plain(title) if title else None, title_justify="left")
    for column in rows[0]:
        printed.add_column(column.replace("_", " "), justify="right" if column in right else "left")
    for row in rows:
        printed.add_row(*(_plain("" if value is None else str(value)) for value in row.values()))
    Console(highlight=False).print(printed)


def fail(message: str, status: int = 1) -> NoReturn:
    """Print what is wrong on standard error and exit."""
    print_error(f"Error: {message}")
    raise typer.Exit(status)


def print_error(message: str) -> None:
    """Print a message, of one line or several, on standard error."""
    for line in message.split("\n"):
        say(line, err=True)


def _plain(text: str) -> Text:
    return Text(escape_unsafe(text))
