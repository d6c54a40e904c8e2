"""`layerwatch accounts`: make, list and change accounts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from layerwatch.billing import Month
from layerwatch.cli.common import AsJson, ConfigFile, DataDir, moment, office, say, show, table
from layerwatch.identity import create_account, find_account, list_accounts
from layerwatch.identity.audit import ON_THE_COMMAND_LINE, entries, record
from layerwatch.identity.models import Account
from layerwatch.identity.service import email_address
from layerwatch.identity.users import operator_link

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Make, list and change accounts: who is metered and billed. On your own machine you need none: "
        "an account named `local` is made by itself, free and without limit."
    ),
)
Which = Annotated[str, typer.Argument(help="Number or name of the account.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the developer or company.")],
    price_book: Annotated[str, typer.Option(help="Price book it is on.")] = "standard",
    free_only: Annotated[
        bool, typer.Option("--free-only", help="Stop at the end of the free allowance instead of billing.")
    ] = False,
    email: Annotated[str | None, typer.Option(help="Where invoices and spend alerts are sent.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make an account."""
    with office(data_dir, config) as desk, desk.database.write() as session:
        desk.terms.books.book(price_book, Month.of(desk.now))
        account = create_account(
            session, name, desk.now, price_book=price_book, free_only=free_only, billing_email=email
        )
        record(session, ON_THE_COMMAND_LINE, "account created", name, desk.now, account.id)
        row = as_row(account)
        if as_json:
            show(row)
        else:
            say(f"Account {row['id']}, {name!r}. Next: layerwatch keys create --account {row['id']} --name …")


@app.command()
def link(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print a link that signs the operator in to the console, once, within 12 hours.

    `layerwatch serve` prints one too when it starts on your own machine.
    """
    with office(data_dir, config) as desk:
        address = desk.database.transact(operator_link, desk.settings.own_url, desk.now)
    show({"link": address}) if as_json else say(address)


@app.command()
def audit(
    account: Annotated[
        str | None, typer.Option("--account", "-a", help="Number or name.", show_default="all")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 50,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show who did what, when, from where."""
    with office(data_dir, config) as desk, desk.database.read() as session:
        owner = None if account is None else find_account(session, account).id
        rows = [
            {
                "at": moment(row.at),
                "account": row.account_id,
                "who": row.who,
                "from": row.address,
                "action": row.action,
                "detail": row.detail,
            }
            for row in entries(session, owner, limit)
        ]
    show(rows) if as_json else table("Audit log", rows)


@app.command("list")
def list_(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List every account."""
    with office(data_dir, config) as desk, desk.database.write() as session:
        rows = [as_row(account) for account in list_accounts(session)]
    show(rows) if as_json else table("Accounts", [_in_short(row) for row in rows])


@app.command("set")
def set_(
    account: Which,
    free_only: Annotated[
        bool | None, typer.Option("--free-only/--paid", help="Stop at the free allowance, or bill beyond it.")
    ] = None,
    price_book: Annotated[str | None, typer.Option(help="Price book, from this month on.")] = None,
    email: Annotated[str | None, typer.Option(help="Where invoices and spend alerts are sent.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Change an account. Only what is given changes."""
    with office(data_dir, config) as desk, desk.database.write() as session:
        found = find_account(session, account)
        if free_only is not None:
            found.free_only = free_only
        if price_book is not None:
            desk.terms.books.book(price_book, Month.of(desk.now))
            found.price_book = price_book
        if email is not None:
            found.billing_email = email_address(email) if email else None
        given = {"free only": free_only, "price book": price_book, "email": email}
        changes = ", ".join(f"{name} {value}" for name, value in given.items() if value is not None)
        record(session, ON_THE_COMMAND_LINE, "account changed", changes, desk.now, found.id)
        row = as_row(found)
    show(row) if as_json else table("Account", [_in_short(row)])


def as_row(account: Account) -> dict[str, Any]:
    """An account as it is printed."""
    return {
        "id": account.id,
        "name": account.name,
        "price_book": account.price_book,
        "free_only": account.free_only,
        "blocked_from": moment(account.blocked_from),
        "email": account.billing_email,
        "created_at": moment(account.created_at),
    }


def _in_short(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "price_book": row["price_book"],
        "usage": "free only" if row["free_only"] else "billed",
        "state": "blocked: payment overdue"
        if row["blocked_from"] and row["blocked_from"] <= (moment(datetime.now(UTC)) or "")
        else "good",
        "email": row["email"] or "-",
    }
