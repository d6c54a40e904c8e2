"""An invoice as it is shown and exported: what was used, what it costs, what was paid and credited."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from sqlalchemy.orm import Session

from layerwatch.billing import invoice_repository
from layerwatch.billing.models import Invoice
from layerwatch.billing.month import Month
from layerwatch.billing.taxes import Tax

CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Entry:
    """A payment (`reference` is its number at the bank or provider) or a credit note (its reason)."""

    kind: str
    number: str
    cents: int
    reference: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """One invoice with everything that happened to it, or the preview of one (without number and dates)."""

    number: str | None
    account_id: int
    month: Month
    seller: str
    buyer: str
    quote: dict[str, Any]
    cents: int
    issued_at: datetime | None
    due_at: datetime | None
    tax: Tax | None = None
    pay_to: str = ""
    entries: tuple[Entry, ...] = ()

    @property
    def calls(self) -> int:
        """Billable calls in the month."""
        return int(self.quote["calls"])

    @property
    def net(self) -> int:
        """Cents without tax."""
        return self.cents - (self.tax.cents if self.tax else 0)

    def tax_share(self, cents: int) -> int:
        """The tax in a part of the total, such as a credit note; halves to the even cent."""
        if self.tax is None or not self.cents:
            return 0
        return round(Fraction(cents * self.tax.cents, self.cents))

    @property
    def credited(self) -> int:
        """Cents taken back by credit notes."""
        return sum(entry.cents for entry in self.entries if entry.kind == "credit_note")

    @property
    def paid(self) -> int:
        """Cents received."""
        return sum(entry.cents for entry in self.entries if entry.kind == "payment")

    @property
    def balance(self) -> int:
        """Cents left to pay; below zero: to be given back."""
        return self.cents - self.credited - self.paid

    def status(self, now: datetime) -> str:
        """preview, open, overdue, paid, credited, or refund_due."""
        if self.due_at is None:
            return "preview"
        if self.balance < 0:
            return "refund_due"
        if self.balance == 0:
            return "credited" if self.credited == self.cents and self.cents else "paid"
        return "overdue" if now > self.due_at else "open"

    def as_json(self, now: datetime) -> dict[str, Any]:
        """The invoice for machines. Exact amounts in micro_dollars, payable ones in cents."""
        return {
            "number": self.number,
            "status": self.status(now),
            "account": self.account_id,
            "month": str(self.month),
            "period_start": _written(self.month.start),
            "period_end": _written(self.month.end),
            "issued_at": _written(self.issued_at),
            "due_at": _written(self.due_at),
            "seller": self.seller.splitlines(),
            "buyer": self.buyer.splitlines(),
            "currency": CURRENCY,
            **self.quote,
            "net_cents": self.net,
            "tax": None if self.tax is None else asdict(self.tax),
            "pay_to": self.pay_to.splitlines(),
            "total_cents": self.cents,
            "credited_cents": self.credited,
            "paid_cents": self.paid,
            "balance_cents": self.balance,
            "entries": [
                {
                    "kind": entry.kind,
                    "number": entry.number,
                    "cents": entry.cents,
                    "tax_cents": self.tax_share(entry.cents) if entry.kind == "credit_note" else 0,
                    "reference": entry.reference,
                    "at": _written(entry.at),
                }
                for entry in self.entries
            ],
        }


def statement(session: Session, invoice: Invoice) -> Statement:
    """An issued invoice with its credit notes and payments, in order of time."""
    entries = [
        Entry("credit_note", note.number, note.cents, note.reason, note.issued_at)
        for note in invoice_repository.credit_notes(session, invoice.id)
    ] + [
        Entry(
            "payment",
            f"P{payment.id}",
            payment.cents,
            f"{payment.method} {payment.reference}",
            payment.received_at,
        )
        for payment in invoice_repository.payments(session, invoice.id)
    ]
    return Statement(
        number=invoice.number,
        account_id=invoice.account_id,
        month=Month.parse(invoice.month),
        seller=invoice.seller,
        buyer=invoice.buyer,
        quote=json.loads(invoice.quote),
        cents=invoice.cents,
        issued_at=invoice.issued_at,
        due_at=invoice.due_at,
        tax=Tax.from_json(invoice.tax) if invoice.tax else None,
        pay_to=invoice.pay_to or "",
        entries=tuple(sorted(entries, key=lambda entry: (entry.at, entry.number))),
    )


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
