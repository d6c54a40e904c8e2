"""What a way to be paid must do."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.errors import NotPossible
from layerwatch.storage import Claims, Database


class PaymentError(NotPossible):
    """The provider did not do what was asked; the message says what to do."""


class Payments(Protocol):
    """A way to be paid."""

    name: str

    def set_up_url(self, database: Database, account_id: int, back: str) -> str:
        """A page of the provider where the account sets up how it pays; it returns to `back`.

        Raises PaymentError.
        """
        ...

    def collect(self, database: Database, claims: Claims, terms: Terms, now: datetime) -> int:
        """Ask for the payment of invoices that are open; how many were asked for. Never twice a day."""
        ...

    def take(self, database: Database, body: bytes, signature: str, terms: Terms, now: datetime) -> None:
        """Take an event that the provider sent. Raises PaymentError unless its signature is right, and
        BillingError for one that cannot be booked."""
        ...
