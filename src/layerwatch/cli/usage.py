"""`layerwatch usage`: how many calls, when and by which key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerwatch.billing import billable_calls
from layerwatch.billing.contracts import book_for
from layerwatch.billing.money import dollars
from layerwatch.billing.usage import days, export_csv, hours
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

app = command_group("See how many inspections an account used, and export them.")


@app.command("show")
@on_installation
def show_(
    here: Installation,
    account: WhichAccount = None,
    month: InMonth = None,
) -> None:
    """Show a month day by day, with what it costs so far."""
    with here.database.write() as session:
        owner = account_of(session, account, here.now)
        period = month_of(month, here.now)
        calls = billable_calls(session, owner.id, period)
        cost = book_for(session, owner.id, owner.price_book, period, here.terms.books).cost(calls)
        rows = [
            {"day": str(day.day), "calls": day.calls, "test_calls": day.test_calls}
            for day in days(session, owner.id, period)
        ]
        if here.as_json:
            show(
                {
                    "account": owner.id,
                    "month": str(period),
                    "calls": calls,
                    "micro_dollars": cost,
                    "days": rows,
                }
            )
        else:
            used = [row for row in rows if row["calls"] or row["test_calls"]]
            table(f"{owner.name!r} in {period}", used, right=("calls", "test_calls"))
            say(f"{calls:,} billable calls so far: {dollars(cost)}")


@app.command()
@on_installation
def export(
    here: Installation,
    account: WhichAccount = None,
    month: InMonth = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write.", show_default="print")
    ] = None,
) -> None:
    """Export a month by hour and key: CSV, or one JSON object a line with --json."""
    with here.database.write() as session:
        owner = account_of(session, account, here.now)
        period = month_of(month, here.now)
        if here.as_json:
            for row in hours(session, owner.id, period):
                line = {"hour": moment(row.hour), "key_id": row.key_id, "key_name": row.key_name}
                show(line | {"key": row.key_shown, "test": row.test, "calls": row.calls})
            return
        content = export_csv(session, owner.id, period)
    if out is None:
        for text in content.splitlines():
            say(text)
        return
    try:
        out.write_text(content, "utf-8", newline="")
    except OSError as wrong:
        raise UserError(f"cannot write {out}: {wrong.strerror}") from wrong
    say(f"Wrote {out}.")
