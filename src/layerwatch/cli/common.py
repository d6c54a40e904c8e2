"""What the business commands share: opening the database, finding accounts and months."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from layerwatch.billing import BillingError, Month, PriceBookError
from layerwatch.billing.billing_terms import Terms
from layerwatch.cli.output import fail as fail
from layerwatch.cli.output import say as say
from layerwatch.cli.output import show as show
from layerwatch.cli.output import table as table
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

    @property
    def terms(self) -> Terms:
        """The seller's terms, the operator's price book among them. Raises PriceBookError."""
        return Terms.of(self.settings)


@contextmanager
def office(data_dir: Path | None, config: Path | None = None) -> Iterator[Office]:
    """Open the installation's database, its tables made or brought up to date.

    Errors end the command as in `reporting`.
    """
    with reporting():
        settings = load(config, data_dir=data_dir)
        database = Database(settings.database_url)
        try:
            database.migrate()
            yield Office(settings, database, datetime.now(UTC))
        finally:
            database.close()


@contextmanager
def reporting() -> Iterator[None]:
    """The rooms' own errors become one line on standard error and exit status 1."""
    try:
        yield
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


def moment(at: datetime | None) -> str | None:
    """A time as scripts like it: `2026-11-22T12:00:00Z`."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
