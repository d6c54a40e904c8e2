"""What the business commands share: opening the database, telling errors, printing rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from layerwatch.billing import BillingError, Month, PriceBookError
from layerwatch.config import ConfigError, Settings, load
from layerwatch.identity import IdentityError, find_account, local_account
from layerwatch.identity.models import Account
from layerwatch.storage import Database, StorageError

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where the server keeps its data.", show_default="as serve")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings file (TOML), the same as the server's.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
WhichAccount = Annotated[
    str | None,
    typer.Option("--account", "-a", help="Number or name of the account.", show_default="the local one"),
]
InMonth = Annotated[str | None, typer.Option("--month", help="2026-11, in UTC.", show_default="this month")]


@dataclass(frozen=True, slots=True)
class Office:
    """An open database and the settings it was found by."""

    settings: Settings
    database: Database
    now: datetime


@contextmanager
def office(data_dir: Path | None, config: Path | None = None) -> Iterator[Office]:
    """Open the installation's database, its tables made or brought up to date.

    The rooms' own errors become one line on standard error and exit status 1.
    """
    try:
        settings = load(config, data_dir=data_dir)
        database = Database(settings.database_url)
        try:
            database.migrate()
            yield Office(settings, database, datetime.now(UTC))
        finally:
            database.close()
    except (IdentityError, BillingError, PriceBookError, ConfigError, StorageError) as error:
        fail(str(error))


def account_of(session: Session, which: str | None, now: datetime) -> Account:
    """The account that was named; without a name the installation's own, made if there is none."""
    return local_account(session, now) if which is None else find_account(session, which)


def month_of(text: str | None, now: datetime) -> Month:
    """The month that was written; without one, the month of `now`."""
    if text is None:
        return Month.of(now)
    try:
        return Month.parse(text)
    except ValueError as wrong:
        fail(str(wrong))


def show(value: Any) -> None:
    """Print one JSON value on one line."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def table(title: str, rows: Sequence[Mapping[str, Any]], right: Sequence[str] = ()) -> None:
    """Print rows of the same keys as a table; the columns named in `right` are numbers."""
    if not rows:
        typer.echo(f"{title}: none")
        return
    printed = Table(title=title, title_justify="left")
    for column in rows[0]:
        printed.add_column(column.replace("_", " "), justify="right" if column in right else "left")
    for row in rows:
        printed.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(printed)


def moment(at: datetime | None) -> str | None:
    """A time as scripts like it: `2026-11-22T12:00:00Z`."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fail(message: str) -> NoReturn:
    """Say what is wrong on standard error and end with status 1."""
    typer.echo(f"Error: {message}", err=True)
    raise typer.Exit(1)
