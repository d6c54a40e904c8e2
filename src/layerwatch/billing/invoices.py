"""Invoices: preview, issue, credit notes, payments, and the block that an overdue one brings.

Every function works in the caller's transaction, on one account at a time, behind that account's lock.
"""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy.orm import Session

from layerwatch.billing import invoice_repository as repository
from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.contracts import book_for
from layerwatch.billing.errors import NotFound, NotPossible
from layerwatch.billing.metering import billable_calls, lock_account
from layerwatch.billing.models import CreditNote, Invoice, Payment
from layerwatch.billing.money import cents as written_cents
from layerwatch.billing.money import to_cents
from layerwatch.billing.month import Month
from layerwatch.billing.statement import Statement, statement
from layerwatch.core.languages import gettext as _
from layerwatch.identity.models import Account


def preview(session: Session, account: Account, month: Month, terms: Terms) -> Statement:
    """What the account's invoice for the month would be for the calls counted in it so far."""
    return draft(session, account, month, billable_calls(session, account.id, month), terms)


def draft(session: Session, account: Account, month: Month, calls: int, terms: Terms) -> Statement:
    """The account's invoice for the month with this many calls. Raises PriceBookError."""
    quote = book_for(session, account.id, account.price_book, month, terms.books).quote(calls)
    net = to_cents(quote.micro_dollars)
    tax = terms.taxes.tax_on(net, account.billing_country or "", account.tax_id or "", month) if net else None
    return Statement(
        number=None,
        account_id=account.id,
        month=month,
        seller=terms.seller,
        buyer=buyer_of(account),
        quote=quote.as_json(),
        cents=net + (tax.cents if tax else 0),
        issued_at=None,
        due_at=None,
        tax=tax,
        pay_to=terms.pay_to,
    )


def issue(session: Session, account: Account, of: Statement, terms: Terms, now: datetime) -> Invoice | None:
    """Issue the invoice of a draft; None if there is nothing to pay. The caller holds the account's lock."""
    invoice = None
    if of.cents:
        invoice = repository.add_invoice(
            session,
            number=f"INV-{repository.next_number(session, 'invoice'):06d}",
            account_id=account.id,
            month=str(of.month),
            seller=of.seller,
            buyer=of.buyer,
            quote=json.dumps(of.quote),
            cents=of.cents,
            tax=of.tax.to_json() if of.tax else None,
            pay_to=of.pay_to or None,
            issued_at=now,
            due_at=now + terms.due,
        )
    _settle(session, account, terms, now)
    return invoice


def find_invoice(session: Session, number: str, account_id: int | None = None) -> Invoice:
    """An invoice by its number, if it is of the account (None: of any). Raises NotFound."""
    invoice = repository.by_number(session, number)
    if invoice is None or (account_id is not None and invoice.account_id != account_id):
        raise NotFound(_("There is no invoice “%(number)s”.", number=number))
    return invoice


def list_invoices(session: Session, account_id: int | None = None) -> list[Statement]:
    """The invoices of an account (None: of all), newest first."""
    return [statement(session, invoice) for invoice in repository.invoices(session, account_id)]


def credit(
    session: Session, invoice: Invoice, cents: int, reason: str, terms: Terms, now: datetime
) -> CreditNote:
    """Take back `cents` of an invoice. Raises NotPossible for more than is left of it."""
    account = lock_account(session, invoice.account_id)
    left = invoice.cents - statement(session, invoice).credited
    if not 1 <= cents <= left:
        raise NotPossible(
            _(
                "%(left)s of %(number)s can be credited at most.",
                left=written_cents(left),
                number=invoice.number,
            )
        )
    if not reason.strip():
        raise NotPossible(_("A credit note needs a reason."))
    note = repository.add_credit_note(
        session,
        number=f"CN-{repository.next_number(session, 'credit_note'):06d}",
        invoice_id=invoice.id,
        cents=cents,
        reason=reason.strip()[:500],
        issued_at=now,
    )
    _settle(session, account, terms, now)
    return note


def pay(
    session: Session,
    invoice: Invoice,
    cents: int,
    *,
    method: str,
    reference: str,
    terms: Terms,
    now: datetime,
    beyond_balance: bool = False,
) -> Payment:
    """Book money received for an invoice; a block for it is lifted in the same transaction.

    The same payment (method and reference) is booked once: again gives the one there is. Raises
    NotPossible for more than the balance (unless `beyond_balance`: money that a provider took already is
    booked as it is, and becomes a refund due), or a reference used for another invoice.
    """
    account = lock_account(session, invoice.account_id)
    known = repository.payment_by_reference(session, method, reference)
    if known is not None:
        if (known.invoice_id, known.cents) != (invoice.id, cents):
            raise NotPossible(
                _(
                    "The payment “%(reference)s” is already booked, with another amount or invoice.",
                    reference=reference,
                )
            )
        return known
    balance = statement(session, invoice).balance
    if cents < 1 or (cents > balance and not beyond_balance):
        raise NotPossible(
            _(
                "%(balance)s of %(number)s are left to pay.",
                balance=written_cents(max(0, balance)),
                number=invoice.number,
            )
        )
    payment = repository.add_payment(
        session, invoice_id=invoice.id, cents=cents, method=method, reference=reference, received_at=now
    )
    _settle(session, account, terms, now)
    return payment


def buyer_of(account: Account) -> str:
    """Name, address, tax id and e-mail of an account as printed on its invoices."""
    lines = [account.billing_name or account.name, *(account.billing_address or "").splitlines()]
    lines.append(account.billing_country or "")
    lines.append(f"Tax id {account.tax_id}" if account.tax_id else "")
    lines.append(account.billing_email or "")
    return "\n".join(line for line in lines if line)


def _settle(session: Session, account: Account, terms: Terms, now: datetime) -> None:
    """Mark what is settled, and block the account from its earliest overdue moment on, or not at all."""
    owed = []
    for invoice in repository.unsettled(session, account.id):
        if statement(session, invoice).balance <= 0:
            invoice.settled_at = now
        else:
            owed.append(invoice.due_at + terms.grace)
    account.blocked_from = min(owed, default=None)
    session.flush()
