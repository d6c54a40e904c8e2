"""How invoices are paid: a small protocol, and the way that needs nothing, `manual`."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from layerwatch.billing.errors import NotPossible
from layerwatch.billing.terms import Terms
from layerwatch.config import Settings
from layerwatch.storage import Database


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

    def collect(self, database: Database, terms: Terms, now: datetime) -> int:
        """Ask for the payment of invoices that are open; how many were asked for. Never twice a day."""
        ...

    def take(self, database: Database, body: bytes, signature: str, terms: Terms, now: datetime) -> None:
        """Take an event that the provider sent. Raises PaymentError unless its signature is right."""
        ...


class ManualPayments:
    """The operator sees the money come and books it."""

    name = "manual"

    def set_up_url(self, database: Database, account_id: int, back: str) -> str:
        """There is nothing to set up."""
        raise PaymentError("Payment is arranged with the operator here. Write to them.")

    def collect(self, database: Database, terms: Terms, now: datetime) -> int:
        """Nobody is asked."""
        return 0

    def take(self, database: Database, body: bytes, signature: str, terms: Terms, now: datetime) -> None:
        """No provider sends anything."""
        raise PaymentError("No payment provider is set up.")


def payments_of(settings: Settings) -> Payments:
    """The way that the settings choose. Raises ValueError when it lacks something."""
    if settings.payments == "manual":
        return ManualPayments()
    try:
        from layerwatch.billing.stripe_payments import StripePayments
    except ImportError as missing:
        raise ValueError("payments by Stripe need its library: pip install 'layerwatch[stripe]'") from missing
    key, secret = settings.stripe_key.get_secret_value(), settings.stripe_webhook_secret.get_secret_value()
    if not key or not secret:
        raise ValueError("payments by Stripe need stripe_key and stripe_webhook_secret")
    return StripePayments(key, secret, api=settings.stripe_api)
