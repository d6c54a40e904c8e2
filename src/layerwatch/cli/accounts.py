"""`layerwatch accounts`: make, list and change accounts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from layerwatch.billing import Month
from layerwatch.cli.installation import Installation, moment, on_installation
from layerwatch.cli.options import command_group
from layerwatch.cli.output import say, show, table
from layerwatch.identity import create_account, find_account, list_accounts
from layerwatch.identity.audit import ON_THE_COMMAND_LINE, entries, record
from layerwatch.identity.models import Account
from layerwatch.identity.service import email_address
from layerwatch.identity.users import operator_link

app = command_group(
    "Make, list and change accounts: who is metered and billed. On your own machine you need none: "
    "an account named `local` is made by itself, free and without limit."
)
Which = Annotated[str, typer.Argument(help="Number or name of the account.")]


@app.command()
@on_installation
def create(
    here: Installation,
    name: Annotated[str, typer.Argument(help="Name of the developer or company.")],
    price_book: Annotated[str, typer.Option(help="Its price book.")] = "standard",
    free_only: Annotated[
        bool, typer.Option("--free-only", help="Stop at the end of the free allowance instead of billing.")
    ] = False,
    email: Annotated[str | None, typer.Option(help="Where invoices and spend alerts are sent.")] = None,
) -> None:
    """Make an account."""
    with here.database.write() as session:
        here.terms.books.book(price_book, Month.of(here.now))
        account = create_account(
            session, name, here.now, price_book=price_book, free_only=free_only, billing_email=email
        )
        record(session, ON_THE_COMMAND_LINE, "account created", name, here.now, account.id)
        row = as_row(account)
        if here.as_json:
            show(row)
        else:
            say(f"Account {row['id']}, {name!r}. Next: layerwatch keys create --account {row['id']} --name …")


@app.command()
@on_installation
def link(here: Installation) -> None:
    """Print a link that signs the operator in to the console, once, within 12 hours.

    `layerwatch serve` prints one too when it starts on your own machine.
    """
    address = here.database.transact(operator_link, here.settings.own_url, here.now)
    show({"link": address}) if here.as_json else say(address)


@app.command()
@on_installation
def audit(
    here: Installation,
    account: Annotated[
        str | None, typer.Option("--account", "-a", help="Number or name.", show_default="all")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many entries, newest first.")] = 50,
) -> None:
    """Show the audit log: who did what, when, and from where."""
    with here.database.read() as session:
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
    show(rows) if here.as_json else table("Audit log", rows)


@app.command("list")
@on_installation
def list_(here: Installation) -> None:
    """List every account."""
    with here.database.write() as session:
        rows = [as_row(account) for account in list_accounts(session)]
    show(rows) if here.as_json else table("Accounts", [_in_short(row) for row in rows])


@app.command("set")
@on_installation
def set_(
    here: Installation,
    account: Which,
    free_only: Annotated[
        bool | None, typer.Option("--free-only/--paid", help="Stop at the free allowance, or bill beyond it.")
    ] = None,
    price_book: Annotated[str | None, typer.Option(help="Price book, from this month on.")] = None,
    email: Annotated[str | None, typer.Option(help="Where invoices and spend alerts are sent.")] = None,
    share_pictures: Annotated[
        bool | None,
        typer.Option(
            "--share-pictures/--no-share-pictures",
            help="Consent to keep pictures with feedback for training; or withdraw it, and delete them.",
        ),
    ] = None,
) -> None:
    """Change an account. Options that are left out change nothing."""
    with here.database.write() as session:
        found = find_account(session, account)
        if free_only is not None:
            found.free_only = free_only
        if price_book is not None:
            here.terms.books.book(price_book, Month.of(here.now))
            found.price_book = price_book
        if email is not None:
            found.billing_email = email_address(email) if email else None
        if share_pictures:
            found.share_pictures = True
        given = {
            "free only": free_only,
            "price book": price_book,
            "email": email,
            "pictures for training": share_pictures,
        }
        changes = ", ".join(f"{name} {value}" for name, value in given.items() if value is not None)
        record(session, ON_THE_COMMAND_LINE, "account changed", changes, here.now, found.id)
        row = as_row(found)
    if share_pictures is False:
        from layerwatch.learning.deletion import withdraw_consent

        withdraw_consent(here.database, here.examples, found.id, here.now)
        row["share_pictures"] = False
    show(row) if here.as_json else table("Account", [_in_short(row)])


def as_row(account: Account) -> dict[str, Any]:
    """An account as it is printed."""
    return {
        "id": account.id,
        "name": account.name,
        "price_book": account.price_book,
        "free_only": account.free_only,
        "blocked_from": moment(account.blocked_from),
        "email": account.billing_email,
        "share_pictures": account.share_pictures,
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
        "pictures for training": "kept" if row["share_pictures"] else "not kept",
        "email": row["email"] or "-",
    }
