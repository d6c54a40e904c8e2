"""Invoices: the running month's preview, those issued, as page, PDF and JSON."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from layerwatch.billing.invoices import find_invoice, list_invoices, preview
from layerwatch.billing.statement import Statement, statement
from layerwatch.console.pages.usage import month_of
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.identity.repository import get_account

pages = Pages()


@pages.get("/invoices", Needs.READ_ONLY)
def show_all(visit: Visit) -> Response:
    """The account's invoices, and what the running month comes to so far."""
    with visit.services.database.read() as session:
        rows = list_invoices(session, visit.account_id)
    return visit.page("invoices.html", invoices=rows, draft=_preview(visit), now=visit.clock)


@pages.get("/invoices/preview.pdf", Needs.READ_ONLY)
def preview_as_pdf(visit: Visit) -> Response:
    """The running month's preview."""
    return _pdf(_preview(visit), visit)


@pages.get("/invoices/{number}.pdf", Needs.READ_ONLY)
def as_pdf(visit: Visit) -> Response:
    """An invoice to file or print."""
    return _pdf(_invoice(visit), visit)


@pages.get("/invoices/{number}.json", Needs.READ_ONLY)
def as_json(visit: Visit) -> Response:
    """An invoice for machines."""
    return JSONResponse(_invoice(visit).as_json(visit.clock))


@pages.get("/invoices/{number}", Needs.READ_ONLY)
def show(visit: Visit) -> Response:
    """One invoice with everything that happened to it."""
    return visit.page("invoice.html", invoice=_invoice(visit), now=visit.clock)


def _invoice(visit: Visit) -> Statement:
    with visit.services.database.read() as session:
        return statement(session, find_invoice(session, visit.path("number"), visit.account_id))


def _preview(visit: Visit) -> Statement:
    with visit.services.database.read() as session:
        account = get_account(session, visit.account_id)
        return preview(session, account, month_of(visit), visit.services.terms)


def _pdf(invoice: Statement, visit: Visit) -> Response:
    from layerwatch.billing.pdf import invoice_pdf  # slow to import, and rarely needed

    name = f"layerwatch-{invoice.number or f'preview-{invoice.month}'}.pdf"
    return Response(
        invoice_pdf(invoice, visit.clock),
        media_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{name}"'},
    )
