"""`layerwatch pricebook`: what inspections cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from layerwatch.billing import PriceBook, PriceBookError, PriceBooks
from layerwatch.billing.contracts import agree, book_for
from layerwatch.billing.money import dollars
from layerwatch.cli.installation import InMonth, Installation, month_of, on_installation
from layerwatch.cli.options import command_group
from layerwatch.cli.output import say, show, table

app = command_group(
    "Show price books, calculate the cost of a month, and give an account a separate price book. "
    "Tiers are additive: each price holds for the calls inside its tier."
)
BookFile = Annotated[
    Path | None,
    typer.Option("--file", help="Another price-book file.", show_default="the one in the settings"),
]


@app.command()
@on_installation
def quote(
    here: Installation,
    calls: Annotated[int, typer.Argument(min=0, help="Successful Process calls in one calendar month.")],
    book: Annotated[str, typer.Option(help="Name of the price book.")] = "standard",
    month: InMonth = None,
    account: Annotated[
        str | None,
        typer.Option("--account", "-a", help="Use this account's prices, including its contract."),
    ] = None,
    file: BookFile = None,
) -> None:
    """Calculate what a month of CALLS costs, tier by tier, in exact micro-dollars.

    Example: layerwatch pricebook quote 1000001
    """
    period = month_of(month, here.now)
    books = _books(here, file)
    if account is None:
        prices = books.book(book, period)
    if account is not None:
        with here.database.write() as session:
            from layerwatch.identity import find_account

            owner = find_account(session, account)
            prices = book_for(session, owner.id, owner.price_book, period, books)
    answer = prices.quote(calls)
    if here.as_json:
        show(answer.as_json())
        return
    rows = [
        {
            "calls": f"{line.tier.above:,} to {'…' if line.tier.up_to is None else f'{line.tier.up_to:,}'}",
            "per_call": dollars(line.tier.micro_dollars) if line.tier.micro_dollars else "free",
            "in_tier": f"{line.calls:,}",
            "cost": dollars(line.micro_dollars),
        }
        for line in answer.tiers
    ]
    table(f"{calls:,} calls in {period}: {dollars(answer.micro_dollars)}", rows, right=("in_tier", "cost"))


@app.command("show")
@on_installation
def show_(
    here: Installation,
    file: BookFile = None,
) -> None:
    """Show every price book with its versions."""
    books = _books(here, file)
    rows: list[dict[str, Any]] = [
        {"book": name, "effective": str(month), "tiers": prices.as_json()}
        for name, versions in books.versions.items()
        for month, prices in versions
    ]
    if here.as_json:
        show(rows)
        return
    for row in rows:
        row["tiers"] = "\n".join(_tier(tier) for tier in row["tiers"])
    table("Price books", rows)


@app.command()
@on_installation
def contract(
    here: Installation,
    account: Annotated[str, typer.Argument(help="Number or name of the account.")],
    tier: Annotated[
        list[str],
        typer.Option(help="UP_TO:MICRO_DOLLARS, in order; the last one is MICRO_DOLLARS alone. Repeat."),
    ],
    month: InMonth = None,
    note: Annotated[str, typer.Option(help="The reason, for the records.")] = "",
) -> None:
    """Agree on a separate price book with an account, from a month on.

    Example: layerwatch pricebook contract Acme --tier 1000000:300 --tier 120 --month 2027-01
    """
    with here.database.write() as session:
        from layerwatch.identity import find_account

        owner = find_account(session, account)
        prices = PriceBook.parse([_parse_tier(text) for text in tier])
        period = month_of(month, here.now)
        agree(session, owner.id, period, prices, note, here.now)
        if here.as_json:
            show({"account": owner.id, "effective": str(period), "tiers": prices.as_json()})
        else:
            say(f"From {period} on, {owner.name!r} pays:")
            for line in prices.as_json():
                say("  " + _tier(line))


def _books(here: Installation, file: Path | None) -> PriceBooks:
    """The price books of a file, else those that the server bills by. Raises PriceBookError."""
    return PriceBooks.load(file) if file else here.terms.books


def _tier(tier: dict[str, int]) -> str:
    upper = f"up to {tier['up_to']:,}" if "up_to" in tier else "above that"
    return f"{upper}: {dollars(tier['micro_dollars'])}"


def _parse_tier(text: str) -> dict[str, int]:
    upper, colon, price = text.rpartition(":")
    try:
        return {"micro_dollars": int(price)} | ({"up_to": int(upper)} if colon else {})
    except ValueError as wrong:
        raise PriceBookError(
            f"{text!r} is not a tier: write UP_TO:MICRO_DOLLARS, for example 1000000:300"
        ) from wrong
