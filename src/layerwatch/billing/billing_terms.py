"""The seller's terms: who sells, at which prices, when an invoice is due, and the grace period after that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from layerwatch.billing.pricebook import PACKAGED, PriceBooks
from layerwatch.billing.taxes import TaxRules
from layerwatch.config import Settings

NO_TAXES = TaxRules()


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator sets for all accounts.

    seller: name and address as printed on invoices, one line each.
    due: from an invoice's issue until it is due. grace: from then until Process calls are refused.
    books: every price book of the installation. taxes: which tax a buyer pays.
    pay_to: how invoices are paid, one line each; empty: nothing is printed.
    """

    seller: str
    due: timedelta
    grace: timedelta
    books: PriceBooks
    taxes: TaxRules = NO_TAXES
    pay_to: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The terms that the settings state; the only place where the price book is read.

        Raises PriceBookError or TaxError for a file that is wrong or cannot be read.
        """
        return cls(
            seller=settings.invoice_seller.replace("\\n", "\n"),
            due=timedelta(days=settings.invoice_due_days),
            grace=timedelta(days=settings.invoice_grace_days),
            books=PriceBooks.load(settings.price_book or PACKAGED),
            taxes=TaxRules.load(settings.tax_rules) if settings.tax_rules else NO_TAXES,
            pay_to=settings.invoice_pay_to.replace("\\n", "\n"),
        )
