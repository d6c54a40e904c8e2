"""The preamble of every command that works on an installation: its settings, its database, JSON or text."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy.orm import Session

from layerwatch.billing import Month
from layerwatch.billing.billing_terms import Terms
from layerwatch.cli.options import AsJson, ConfigFile, DatabaseUrl, DataDir
from layerwatch.config import ConfigError, Settings, load
from layerwatch.core.errors import UserError
from layerwatch.identity import find_account, local_account
from layerwatch.identity.models import Account
from layerwatch.storage import Database, open_objects

if TYPE_CHECKING:
    from layerwatch.learning import ExampleStore

WhichAccount = Annotated[
    str | None,
    typer.Option("--account", "-a", help="Number or name of the account.", show_default="the local one"),
]
InMonth = Annotated[
    str | None, typer.Option("--month", metavar="YYYY-MM", help="Month in UTC.", show_default="this month")
]


class Installation:
    """What a command was called on. as_json: print JSON, not text; nothing is asked then."""

    def __init__(self, settings: Settings, *, as_json: bool) -> None:
        self.settings = settings
        self.as_json = as_json
        self.now = datetime.now(UTC)

    @cached_property
    def database(self) -> Database:
        """The database, its tables created or migrated. Raises StorageError, and ConfigError for its URL."""
        self.unmigrated.migrate()
        return self.unmigrated

    @cached_property
    def unmigrated(self) -> Database:
        """The database with the tables that it has. Raises ConfigError for a URL that is not supported."""
        try:
            return Database(self.settings.database_url)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    @cached_property
    def examples(self) -> ExampleStore:
        """The pictures behind feedback. Raises ConfigError, and StorageError when one cannot be moved."""
        from layerwatch.learning import ExampleStore
        from layerwatch.learning.earlier_files import move_files

        try:
            objects = open_objects(self.settings.objects, self.settings.data_dir / "objects")
        except ValueError as error:
            raise ConfigError(f"objects (or LAYERWATCH_OBJECTS): {error}") from error
        examples = ExampleStore(objects)
        move_files(self.settings.data_dir / "examples", self.database, examples)
        return examples

    @property
    def terms(self) -> Terms:
        """The seller's terms, the operator's price book among them. Raises PriceBookError."""
        return Terms.of(self.settings)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something that cannot be undone, unless `--yes` or `--json` was given."""
        if not yes and not self.as_json:
            typer.confirm(question, abort=True)

    def close(self) -> None:
        """Close the database if it was opened."""
        if "unmigrated" in self.__dict__:
            self.unmigrated.close()


def on_installation(run: Callable[..., None]) -> Callable[..., None]:
    """A command with `--data-dir`, `--config`, `--database` and `--json`, which become its first argument."""

    def command(
        *,
        data_dir: DataDir = None,
        config: ConfigFile = None,
        database: DatabaseUrl = None,
        as_json: AsJson = False,
        **given: Any,
    ) -> None:
        settings = load(config, data_dir=data_dir, database=database)
        here = Installation(settings, as_json=as_json)
        try:
            run(here, **given)
        finally:
            here.close()

    # What Typer reads: the command's own parameters without the installation, then the shared ones.
    own = list(inspect.signature(run, eval_str=True).parameters.values())[1:]
    shared = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
    functools.update_wrapper(command, run)
    command.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in [*own, *shared]}
    return command


def account_of(session: Session, which: str | None, now: datetime) -> Account:
    """The account that was named; without a name the installation's own, created if there is none."""
    return local_account(session, now) if which is None else find_account(session, which)


def month_of(text: str | None, now: datetime) -> Month:
    """The month that was written; without one, the month of `now`. Raises UserError."""
    if text is None:
        return Month.of(now)
    try:
        return Month.parse(text)
    except ValueError as wrong:
        raise UserError(str(wrong)) from wrong


def moment(at: datetime | None) -> str | None:
    """A time as scripts like it: `2026-11-22T12:00:00Z`."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
