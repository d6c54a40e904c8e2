"""One account as the operator sees it: people, keys, prices, invoices, notes."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from layerwatch.billing.contracts import book_for, contracts_of
from layerwatch.billing.invoices import list_invoices, preview
from layerwatch.billing.month import Month
from layerwatch.billing.pricebook import PriceBookError
from layerwatch.billing.usage_repository import last_used
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit, required
from layerwatch.core.languages import gettext as _
from layerwatch.identity import BadInput, NotFound, administration
from layerwatch.identity.audit import record
from layerwatch.identity.models import Account
from layerwatch.identity.repository import account_or_none
from layerwatch.identity.roles import members_of
from layerwatch.keys import list_keys

pages = Pages()


@pages.get("/operator/accounts/{account_id}", Needs.OPERATOR)
def show(visit: Visit) -> Response:
    """Everything that there is of an account."""
    terms, month = visit.services.terms, Month.of(visit.clock)
    with visit.services.database.read() as session:
        account = _found(session, visit)
        used = last_used(session, account.id)
        values: dict[str, Any] = {
            "account": {
                "id": account.id,
                "name": account.name,
                "email": account.billing_email,
                "price_book": account.price_book,
                "free_only": account.free_only,
                "spend_limit": account.spend_limit,
                "payment_ready": account.payment_ready,
                "blocked_from": account.blocked_from,
                "created_at": account.created_at,
            },
            "draft": preview(session, account, month, terms),
            "members": [
                (user.email, role.value, user.suspended_at is not None)
                for user, role in members_of(session, account.id)
            ],
            "keys": [
                {
                    "name": key.name,
                    "shown": f"{key.prefix}…{key.last_four}",
                    "test": key.test,
                    "disabled_at": key.disabled_at,
                    "last_used": used.get(key.id),
                }
                for key in list_keys(session, account.id)
            ],
            "invoices": list_invoices(session, account.id),
            "contracts": contracts_of(session, account.id),
            "book": book_for(session, account.id, account.price_book, month, terms.books),
            "notes": [
                {"id": note.id, "at": note.at, "who": note.who, "text": note.text}
                for note in administration.notes_on(session, account.id)
            ],
        }
    return visit.page(
        "operator_account.html",
        books=[(name, name) for name in terms.books.versions],
        month=month,
        now=visit.clock,
        **values,
    )


@pages.post("/operator/accounts/{account_id}/price-book", Needs.OPERATOR, show)
def change_price_book(visit: Visit) -> Response:
    """Put an account on another price book, from this month on."""
    name = required(visit, "price_book", _("The price book"))
    try:
        visit.services.terms.books.book(name, Month.of(visit.clock))
    except PriceBookError as wrong:
        raise BadInput(str(wrong), field="price_book") from wrong
    with visit.services.database.write() as session:
        account = _found(session, visit)
        before, account.price_book = account.price_book, name
        record(session, visit.actor, "price book changed", f"{before} to {name}", visit.now, account.id)
    return visit.go(f"/operator/accounts/{account.id}", "saved")


@pages.post("/operator/accounts/{account_id}/notes", Needs.OPERATOR, show)
def add_note(visit: Visit) -> Response:
    """Keep a note on an account."""
    account_id = visit.number("account_id")
    with visit.services.database.write() as session:
        administration.add_note(session, account_id, visit.form.get("text", ""), visit.actor, visit.now)
    return visit.go(f"/operator/accounts/{account_id}", "saved")


@pages.post("/operator/accounts/{account_id}/notes/{note_id}/delete", Needs.OPERATOR, show)
def delete_note(visit: Visit) -> Response:
    """Delete a note."""
    account_id = visit.number("account_id")
    with visit.services.database.write() as session:
        administration.delete_note(session, account_id, visit.number("note_id"), visit.actor, visit.now)
    return visit.go(f"/operator/accounts/{account_id}", "saved")


def _found(session: Any, visit: Visit) -> Account:
    account: Account | None = account_or_none(session, visit.number("account_id"))
    if account is None:
        raise NotFound(_("There is no such account."))
    return account
