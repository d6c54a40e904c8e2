"""The seller's terms: who sells, when an invoice is due, and how long an overdue one is borne."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from layerwatch.billing.pricebook import PriceBooks, price_books
from layerwatch.config import Settings


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator sets for all accounts.

    seller: name and address as printed on invoices, one line each.
    due: from an invoice's issue until it is due. grace: from then until Process calls are refused.
    """

    seller: str = "Layerwatch"
    due: timedelta = timedelta(days=14)
    grace: timedelta = timedelta(days=7)
    books: PriceBooks = field(default_factory=price_books)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The terms that the settings state. Raises PriceBookError or OSError for a wrong price book."""
        return cls(
            seller=settings.invoice_seller.replace("\\n", "\n"),
            due=timedelta(days=settings.invoice_due_days),
            grace=timedelta(days=settings.invoice_grace_days),
            books=price_books(settings.price_book) if settings.price_book else price_books(),
        )
