"""The installation as its operator sees it: months, prices, nodes and regions, status notes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from layerwatch.billing import closing_repository, invoice_repository
from layerwatch.billing.closing import newest_closable
from layerwatch.billing.contracts import newest_contracts
from layerwatch.billing.month import Month
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.core.languages import gettext as _
from layerwatch.fleet import repository as fleet
from layerwatch.identity import NotFound
from layerwatch.identity.audit import record
from layerwatch.identity.repository import account_births, account_names, accounts_by_price_book
from layerwatch.status import notes

pages = Pages()

SHOWN_MONTHS = 24
SHOWN_CONTRACTS = 100

SILENT_AFTER = timedelta(seconds=30)
"""A node writes every 5 seconds."""


@pages.get("/operator/months", Needs.OPERATOR)
def months(visit: Visit) -> Response:
    """Each month with what is closed of it and what was invoiced."""
    with visit.services.database.read() as session:
        closed = closing_repository.by_month(session)
        invoiced = invoice_repository.by_month(session)
        created = list(account_births(session).values())
    rows: list[dict[str, Any]] = []
    month = Month.of(visit.clock)
    first = min((Month.of(at) for at in created), default=month)
    while month >= first and len(rows) < SHOWN_MONTHS:
        accounts = sum(at < month.end for at in created)
        done, calls = closed.get(str(month), (0, 0))
        number, total, settled = invoiced.get(str(month), (0, 0, 0))
        rows.append(
            {
                "month": month,
                "accounts": accounts,
                "closed": done,
                "calls": calls,
                "invoices": number,
                "cents": total,
                "settled": settled,
            }
        )
        month = month.previous
    return visit.page(
        "operator_months.html",
        months=rows,
        this_month=Month.of(visit.clock),
        closable=newest_closable(visit.clock),
        last_month=Month.of(visit.clock).previous,
    )


@pages.get("/operator/price-books", Needs.OPERATOR)
def price_books(visit: Visit) -> Response:
    """Every price book with its versions, and the accounts with their own prices."""
    books, month = visit.services.terms.books, Month.of(visit.clock)
    with visit.services.database.read() as session:
        on = accounts_by_price_book(session)
        newest = newest_contracts(session, SHOWN_CONTRACTS)
        names = account_names(session, (contract.account_id for contract in newest))
        contracts = [
            {
                "account_id": contract.account_id,
                "account": names[contract.account_id],
                "effective": contract.effective,
                "note": contract.note,
            }
            for contract in newest
        ]
    listed = [
        {
            "name": name,
            "accounts": on.get(name, 0),
            "versions": [
                {"since": since, "tiers": book.tiers, "valid": book is _valid(versions, month)}
                for since, book in reversed(versions)
            ],
        }
        for name, versions in books.versions.items()
    ]
    return visit.page("operator_price_books.html", books=listed, contracts=contracts)


@pages.get("/operator/nodes", Needs.OPERATOR)
def nodes(visit: Visit) -> Response:
    """Regions and their nodes, as they last described themselves."""
    with visit.services.database.read() as session:
        draining = fleet.draining_since(session)
        found = [
            {
                "id": node.id,
                "region": node.region,
                "url": node.url,
                "capacity": node.capacity,
                "prints": node.healthy + node.suspicious,
                "suspicious": node.suspicious,
                "seen_at": node.seen_at,
                "silent": visit.now - node.seen_at > SILENT_AFTER,
            }
            for node in fleet.nodes(session)
        ]
    regions: dict[str, list[dict[str, Any]]] = {}
    for node in found:
        regions.setdefault(str(node["region"]), []).append(node)
    return visit.page(
        "operator_nodes.html", regions=regions, draining=draining, here=visit.services.settings.region
    )


@pages.post("/operator/regions/{region}/drain", Needs.OPERATOR, nodes)
def drain(visit: Visit) -> Response:
    """Give a region no new prints, or give it new ones again."""
    region, on = visit.path("region")[:8], visit.form.get("drain") == "on"
    with visit.services.database.write() as session:
        if on and not fleet.has_region(session, region):
            raise NotFound(_("There is no such region."))
        if on:
            fleet.drain(session, region, visit.now)
        else:
            fleet.undrain(session, region)
        record(session, visit.actor, "region drained" if on else "region undrained", region, visit.now)
    return visit.go("/operator/nodes", "saved")


@pages.get("/operator/status-notes", Needs.OPERATOR)
def status_notes(visit: Visit) -> Response:
    """The notes on the status page."""
    with visit.services.database.read() as session:
        rows = [
            {"id": note.id, "at": note.at, "text": note.text, "ended_at": note.ended_at}
            for note in notes.shown_notes(session, visit.now)
        ]
    return visit.page("operator_status_notes.html", notes=rows, public=visit.services.settings.status_page)


@pages.post("/operator/status-notes", Needs.OPERATOR, status_notes)
def add_status_note(visit: Visit) -> Response:
    """Put a note on the status page."""
    with visit.services.database.write() as session:
        note = notes.add_note(session, visit.form.get("text", ""), visit.now)
        record(session, visit.actor, "status note added", note.text[:200], visit.now)
    return visit.go("/operator/status-notes", "saved")


@pages.post("/operator/status-notes/{note_id}/end", Needs.OPERATOR, status_notes)
def end_status_note(visit: Visit) -> Response:
    """Mark a note as over."""
    with visit.services.database.write() as session:
        note = notes.end_note(session, visit.number("note_id"), visit.now)
        record(session, visit.actor, "status note ended", note.text[:200], visit.now)
    return visit.go("/operator/status-notes", "saved")


def _valid(versions: Any, month: Month) -> Any:
    valid = [book for since, book in versions if since <= month]
    return valid[-1] if valid else None
