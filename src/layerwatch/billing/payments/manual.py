"""Payment that needs no provider: the operator records what arrived."""

from __future__ import annotations

from datetime import datetime

from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.payments.base import PaymentError
from layerwatch.storage import Claims, Database


class ManualPayments:
    """The operator sees the money come and books it."""

    name = "manual"

    def set_up_url(self, database: Database, account_id: int, back: str) -> str:
        """There is nothing to set up."""
        raise PaymentError("Payment is arranged with the operator here. Write to them.")

    def collect(self, database: Database, claims: Claims, terms: Terms, now: datetime) -> int:
        """Nobody is asked."""
        return 0

    def take(self, database: Database, body: bytes, signature: str, terms: Terms, now: datetime) -> None:
        """No provider sends anything."""
        raise PaymentError("No payment provider is set up.")
