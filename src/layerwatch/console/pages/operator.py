"""What only the operator of the installation sees: all accounts, all invoices, closing, payments."""

from __future__ import annotations

from typing import Any

import anyio.from_thread
from starlette.responses import Response

from layerwatch.billing.closing import close_months
from layerwatch.billing.invoices import credit, find_invoice, list_invoices, pay, preview
from layerwatch.billing.money import cents
from layerwatch.billing.month import Month
from layerwatch.billing.statement import Statement, statement
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit, required
from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import marked
from layerwatch.identity import NotFound
from layerwatch.identity.audit import record
from layerwatch.identity.models import Account
from layerwatch.identity.repository import account_or_none, number_of_accounts, search_accounts
from layerwatch.telemetry.metrics import totals

pages = Pages()

SHOWN_ACCOUNTS = 100


@pages.get("/operator", Needs.OPERATOR)
def show(visit: Visit) -> Response:
    """The accounts with their month so far, and every invoice."""
    terms, month = visit.services.terms, Month.of(visit.clock)
    searched = visit.query("search").strip()[:120]
    with visit.services.database.read() as session:
        accounts = [
            _row(account, preview(session, account, month, terms), visit)
            for account in search_accounts(session, searched, SHOWN_ACCOUNTS)
        ]
        how_many = number_of_accounts(session)
        invoices = list_invoices(session)
    totals = {
        "accounts": how_many,
        "calls": sum(row["draft"].calls for row in accounts),
        "cents": sum(row["draft"].cents for row in accounts),
        "owed": sum(max(0, row.balance) for row in invoices),
    }
    return visit.page(
        "operator.html",
        accounts=accounts,
        searched=searched,
        most=SHOWN_ACCOUNTS,
        invoices=invoices,
        totals=totals,
        month=month,
        last_month=month.previous,
        now=visit.clock,
        drop_in=_drop_in(visit) if visit.services.settings.obico_api else None,
    )


DROP_IN_OUTCOMES = {
    "failure": marked("inspected, a failure is seen"),
    "clear": marked("inspected, no failure is seen"),
    "unfit": marked("inspected, but the picture is dark, blurred or shows no print"),
    "unreachable": marked("not fetched: the address did not answer in time"),
    "not_allowed": marked("not fetched: in a private network that LAYERWATCH_OBICO_HOSTS does not list"),
    "not_a_picture": marked("not inspected: the address gave something else than a whole JPEG"),
    "bad_address": marked("refused: no http or https address"),
    "no_token": marked("refused: the bearer token was missing or wrong"),
    "busy": marked("refused: too busy"),
}
"""Outcomes of calls in Obico's form, in words. All but the first two need somebody's attention."""


def _drop_in(visit: Visit) -> list[dict[str, Any]]:
    """How often each outcome of a call in Obico's form came up since the processes started."""
    services = visit.services
    if services.peers is None:
        texts = [services.metrics.text()]
    else:
        texts = list(anyio.from_thread.run(services.peers.metrics).values())
    counted = totals(texts, "layerwatch_obico_pictures_total", "outcome")
    return [
        {"meaning": meaning, "count": counted.get(outcome, 0), "good": outcome in ("failure", "clear")}
        for outcome, meaning in DROP_IN_OUTCOMES.items()
    ]


def _row(account: Account, draft: Statement, visit: Visit) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "price_book": account.price_book,
        "free_only": account.free_only,
        "blocked": account.blocked_from is not None and account.blocked_from <= visit.clock,
        "priced": any(tier["micro_dollars_per_call"] for tier in draft.quote["tiers"]),
        "draft": draft,
    }


@pages.post("/operator/close", Needs.OPERATOR, show)
def close(visit: Visit) -> Response:
    """Close every open month up to the one before this for every account."""
    month = Month.of(visit.clock).previous
    report = close_months(visit.services.database, month, visit.services.terms, visit.clock)
    if report.closed:
        with visit.services.database.write() as session:
            record(session, visit.actor, "months closed", report.summary(), visit.now)
    if report.failed:
        return visit.go("/operator", "not-all-closed")
    return visit.go("/operator", "months-closed" if report.closed else "nothing-to-close")


@pages.post("/operator/invoices/{number}/pay", Needs.OPERATOR, show)
def mark_paid(visit: Visit) -> Response:
    """Book the whole balance as received."""
    reference = required(visit, "reference", _("The bank's reference"))
    with visit.services.database.write() as session:
        invoice = find_invoice(session, visit.path("number"))
        amount = statement(session, invoice).balance
        pay(
            session,
            invoice,
            amount,
            method="manual",
            reference=reference[:120],
            terms=visit.services.terms,
            now=visit.clock,
        )
        detail = f"{invoice.number} {cents(amount)} {reference}"
        record(session, visit.actor, "payment booked", detail, visit.now, invoice.account_id)
    return visit.go("/operator", "paid")


@pages.post("/operator/invoices/{number}/credit", Needs.OPERATOR, show)
def credit_rest(visit: Visit) -> Response:
    """Take back what is left to pay of an invoice."""
    reason = required(visit, "reason", _("The reason"))
    with visit.services.database.write() as session:
        invoice = find_invoice(session, visit.path("number"))
        amount = statement(session, invoice).balance
        note = credit(session, invoice, amount, reason, visit.services.terms, visit.clock)
        detail = f"{note.number} over {invoice.number} {cents(amount)}"
        record(session, visit.actor, "credit note", detail, visit.now, invoice.account_id)
    return visit.go("/operator", "credited")


@pages.post("/operator/accounts/{account_id}/free-only", Needs.OPERATOR, show)
def switch_free_only(visit: Visit) -> Response:
    """Switch an account between free usage only and billed."""
    on = visit.form.get("free_only") == "on"
    with visit.services.database.write() as session:
        account = account_or_none(session, visit.number("account_id"))
        if account is None:
            raise NotFound(_("There is no such account."))
        account.free_only = on
        record(session, visit.actor, "free usage only", "on" if on else "off", visit.now, account.id)
    return visit.go("/operator", "saved")
