"""The seller's terms: who sells, at which prices, when an invoice is due, and the grace period after that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from layerwatch.billing.pricebook import PACKAGED, PriceBooks
from layerwatch.config import Settings


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator sets for all accounts.

    seller: name and address as printed on invoices, one line each.
    due: from an invoice's issue until it is due. grace: from then until Process calls are refused.
    books: every price book of the installation.
    """

    seller: str
    due: timedelta
    grace: timedelta
    books: PriceBooks

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The terms that the settings state; the only place where the price book is read.

        Raises PriceBookError for a price book that is wrong or cannot be read.
        """
        return cls(
            seller=settings.invoice_seller.replace("\\n", "\n"),
            due=timedelta(days=settings.invoice_due_days),
            grace=timedelta(days=settings.invoice_grace_days),
            books=PriceBooks.load(settings.price_book or PACKAGED),
        )
