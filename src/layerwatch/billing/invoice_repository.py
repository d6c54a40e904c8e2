"""Invoices, credit notes, payments and their numbers in the database: every statement on them is here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, text, update
from sqlalchemy.orm import Session

from layerwatch.billing.models import CreditNote, Invoice, Payment
from layerwatch.identity.repository import with_billing_email, with_payment_method

_NEXT = text(
    "INSERT INTO counters (name, value) VALUES (:name, 1)"
    " ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value"
)


def next_number(session: Session, counter: str) -> int:
    """The next number of a counter: without gaps, as it is given back when the transaction is undone."""
    return int(session.execute(_NEXT, {"name": counter}).scalar_one())


def add_invoice(session: Session, **values: Any) -> Invoice:
    """Add an invoice that is neither settled nor paid."""
    invoice = Invoice(**values, settled_at=None, stripe_id=None)
    session.add(invoice)
    session.flush()
    return invoice


def add_credit_note(session: Session, **values: Any) -> CreditNote:
    """Add a credit note."""
    note = CreditNote(**values)
    session.add(note)
    session.flush()
    return note


def add_payment(session: Session, **values: Any) -> Payment:
    """Add a payment that was received."""
    payment = Payment(**values)
    session.add(payment)
    session.flush()
    return payment


def get_invoice(session: Session, invoice_id: int) -> Invoice:
    """An invoice that is known to exist."""
    return session.get_one(Invoice, invoice_id)


def by_number(session: Session, number: str) -> Invoice | None:
    """The invoice of a number such as INV-000001."""
    return session.scalars(select(Invoice).where(Invoice.number == number)).one_or_none()


def by_stripe_id(session: Session, stripe_id: str) -> Invoice | None:
    """The invoice that a payment at Stripe is for."""
    return session.scalars(select(Invoice).where(Invoice.stripe_id == stripe_id)).one_or_none()


def invoices(session: Session, account_id: int | None = None) -> Sequence[Invoice]:
    """The invoices of an account (None: of all), newest first."""
    wanted = select(Invoice).order_by(Invoice.id.desc())
    if account_id is not None:
        wanted = wanted.where(Invoice.account_id == account_id)
    return session.scalars(wanted).all()


def unsettled(session: Session, account_id: int) -> Sequence[Invoice]:
    """The invoices of an account that are not settled."""
    open_ones = (Invoice.account_id == account_id, Invoice.settled_at.is_(None))
    return session.scalars(select(Invoice).where(*open_ones)).all()


def by_month(session: Session) -> dict[str, tuple[int, int, int]]:
    """Of each month: the number of its invoices, their cents, and how many are settled."""
    rows = session.execute(
        select(Invoice.month, func.count(), func.sum(Invoice.cents), func.count(Invoice.settled_at)).group_by(
            Invoice.month
        )
    )
    return {month: (number, int(cents or 0), int(settled or 0)) for month, number, cents, settled in rows}


def to_mail(session: Session) -> Sequence[int]:
    """The invoices that were not mailed yet and have an address to be mailed to."""
    wanted = select(Invoice.id).where(
        Invoice.mailed_at.is_(None), Invoice.account_id.in_(with_billing_email())
    )
    return session.scalars(wanted.order_by(Invoice.id)).all()


def mailed(session: Session, invoice_id: int, now: datetime) -> None:
    """Record that an invoice was mailed."""
    session.execute(update(Invoice).where(Invoice.id == invoice_id).values(mailed_at=now))


def to_collect(session: Session, today: datetime) -> Sequence[int]:
    """The open invoices of accounts with a way to pay for which nothing was asked since `today` began."""
    wanted = select(Invoice.id).where(*_unasked(today), Invoice.account_id.in_(with_payment_method()))
    return session.scalars(wanted.order_by(Invoice.id)).all()


def is_to_collect(session: Session, invoice_id: int, today: datetime) -> bool:
    """Whether an invoice is open, and nothing was asked for it since `today` began."""
    wanted = select(Invoice.id).where(Invoice.id == invoice_id, *_unasked(today))
    return session.scalar(wanted) is not None


def asked(session: Session, invoice_id: int, now: datetime) -> None:
    """Record that the payment provider was asked to charge an invoice."""
    session.execute(update(Invoice).where(Invoice.id == invoice_id).values(payment_asked_at=now))


def credit_notes(session: Session, invoice_id: int) -> Sequence[CreditNote]:
    """The credit notes of an invoice."""
    return session.scalars(select(CreditNote).where(CreditNote.invoice_id == invoice_id)).all()


def payments(session: Session, invoice_id: int) -> Sequence[Payment]:
    """The payments of an invoice."""
    return session.scalars(select(Payment).where(Payment.invoice_id == invoice_id)).all()


def payment_by_reference(session: Session, method: str, reference: str) -> Payment | None:
    """A payment by its number at the bank or provider."""
    same = (Payment.method == method, Payment.reference == reference)
    return session.scalars(select(Payment).where(*same)).one_or_none()


def _unasked(today: datetime) -> tuple[ColumnElement[bool], ...]:
    unasked = or_(Invoice.payment_asked_at.is_(None), Invoice.payment_asked_at < today)
    return (Invoice.settled_at.is_(None), unasked)
