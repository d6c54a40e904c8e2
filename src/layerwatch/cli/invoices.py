"""`layerwatch invoices`: preview, close, export, credit, pay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from layerwatch.billing.closing import close_months
from layerwatch.billing.errors import NotPossible
from layerwatch.billing.invoices import credit, find_invoice, list_invoices, pay, preview
from layerwatch.billing.money import cents, dollars
from layerwatch.billing.statement import Statement, statement
from layerwatch.cli.installation import (
    InMonth,
    Installation,
    WhichAccount,
    account_of,
    moment,
    month_of,
    on_installation,
)
from layerwatch.cli.options import command_group
from layerwatch.cli.output import say, show, table
from layerwatch.core.errors import UserError
from layerwatch.identity.audit import ON_THE_COMMAND_LINE, record

app = command_group(
    "Preview and issue invoices, export them, book payments and credit notes. "
    "A month (UTC) is closed once, after all months before it."
)
Number = Annotated[str, typer.Argument(help="The invoice's number, for example INV-000001.")]


@app.command("preview")
@on_installation
def preview_(
    here: Installation,
    account: WhichAccount = None,
    month: InMonth = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it as PDF to this file.")] = None,
) -> None:
    """Show what a month's invoice would be if it were issued now."""
    with here.database.write() as session:
        owner = account_of(session, account, here.now)
        draft = preview(session, owner, month_of(month, here.now), here.terms)
        _print(draft, here, pdf)


@app.command()
@on_installation
def close(
    here: Installation,
    month: Annotated[
        str | None, typer.Option("--month", help="2026-11, in UTC.", show_default="the month before this one")
    ] = None,
) -> None:
    """Close every open month up to one for every account and issue the invoices.

    Safe to run again, also after a crash. Exit status 1 if an account could not be closed.
    """
    period = month_of(month, here.now)
    if month is None:
        period = period.previous
    report = close_months(here.database, period, here.terms, here.now)
    with here.database.write() as session:
        if report.closed:
            record(session, ON_THE_COMMAND_LINE, "months closed", report.summary(), here.now)
        issued = set(report.invoices)
        rows = [row for row in list_invoices(session) if row.month == period or row.number in issued]
        if here.as_json:
            show([row.as_json(here.now) for row in rows])
        else:
            _list(f"Invoices of {period}", rows, here)
            say(
                f"Closed {report.summary()}."
                if report.closed
                else f"Nothing to close: no open month up to {period}."
            )
    if report.failed:
        raise UserError(
            "not closed: " + "; ".join(f"account {number}: {why}" for number, why in report.failed)
        )


@app.command("list")
@on_installation
def list_(
    here: Installation,
    account: Annotated[
        str | None, typer.Option("--account", "-a", help="Number or name.", show_default="all accounts")
    ] = None,
) -> None:
    """List invoices, newest first."""
    with here.database.write() as session:
        owner = None if account is None else account_of(session, account, here.now)
        rows = list_invoices(session, None if owner is None else owner.id)
        if here.as_json:
            show([row.as_json(here.now) for row in rows])
        else:
            _list("Invoices", rows, here)


@app.command("show")
@on_installation
def show_(
    here: Installation,
    number: Number,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it as PDF to this file.")] = None,
) -> None:
    """Show an invoice with its payments and credit notes."""
    with here.database.read() as session:
        _print(statement(session, find_invoice(session, number)), here, pdf)


@app.command("pay")
@on_installation
def pay_(
    here: Installation,
    number: Number,
    reference: Annotated[str, typer.Option(help="The bank's number of the payment. It is booked only once.")],
    amount: Annotated[
        str | None,
        typer.Option(help="Dollars received, for example 398.00.", show_default="the whole balance"),
    ] = None,
) -> None:
    """Book a payment received outside Layerwatch. It unblocks the account within 5 seconds."""
    with here.database.write() as session:
        given = None if amount is None else _cents(amount)
        invoice = find_invoice(session, number)
        received = statement(session, invoice).balance if given is None else given
        pay(
            session,
            invoice,
            received,
            method="manual",
            reference=reference,
            terms=here.terms,
            now=here.now,
        )
        detail = f"{number} {cents(received)} {reference}"
        record(session, ON_THE_COMMAND_LINE, "payment booked", detail, here.now, invoice.account_id)
        _print(statement(session, invoice), here, None)


@app.command("credit")
@on_installation
def credit_(
    here: Installation,
    number: Number,
    reason: Annotated[str, typer.Option(help="The reason printed on the credit note.")],
    amount: Annotated[
        str | None, typer.Option(help="Dollars, for example 12.50.", show_default="the whole invoice")
    ] = None,
) -> None:
    """Issue a credit note for all or part of an invoice."""
    with here.database.write() as session:
        given = None if amount is None else _cents(amount)
        invoice = find_invoice(session, number)
        now = statement(session, invoice)
        taken_back = now.cents - now.credited if given is None else given
        note = credit(session, invoice, taken_back, reason, here.terms, here.now)
        detail = f"{note.number} over {number} {cents(taken_back)}"
        record(session, ON_THE_COMMAND_LINE, "credit note", detail, here.now, invoice.account_id)
        _print(statement(session, invoice), here, None)


def _print(invoice: Statement, here: Installation, pdf: Path | None) -> None:
    if pdf is not None:
        from layerwatch.billing.pdf import invoice_pdf

        try:
            pdf.write_bytes(invoice_pdf(invoice, here.now))
        except OSError as wrong:
            raise UserError(f"cannot write {pdf}: {wrong.strerror}") from wrong
    if here.as_json:
        show(invoice.as_json(here.now))
        return
    lines = [
        {
            "calls": f"{line['calls']:,}",
            "each": dollars(line["micro_dollars_per_call"]),
            "amount": dollars(line["micro_dollars"]),
        }
        for line in invoice.quote["tiers"]
        if line["calls"]
    ]
    title = f"{invoice.number or 'Preview'}, {invoice.month}, {invoice.status(here.now)}"
    table(title, lines, right=("calls", "each", "amount"))
    for entry in invoice.entries:
        say(f"{moment(entry.at)}  {entry.kind} {entry.number}  {cents(entry.cents)}  {entry.reference}")
    say(f"Total {cents(invoice.cents)}, left to pay {cents(invoice.balance)}")
    if pdf is not None:
        say(f"Wrote {pdf}.")


def _list(title: str, rows: list[Statement], here: Installation) -> None:
    printed: list[dict[str, Any]] = [
        {
            "number": row.number,
            "account": f"{row.account_id} {row.buyer.splitlines()[0]}",
            "month": str(row.month),
            "status": row.status(here.now),
            "due": f"{row.due_at:%Y-%m-%d}" if row.due_at else "",
            "total": cents(row.cents),
            "balance": cents(row.balance),
        }
        for row in rows
    ]
    table(title, printed, right=("total", "balance"))


def _cents(amount: str) -> int:
    whole, _, rest = amount.strip().removeprefix("$").replace(",", "").partition(".")
    if not (whole.isdecimal() and len(rest) <= 2 and (rest == "" or rest.isdecimal())):
        raise NotPossible(f"{amount!r} is not an amount: write dollars and cents, for example 398.00")
    return int(whole) * 100 + int(rest.ljust(2, "0"))
