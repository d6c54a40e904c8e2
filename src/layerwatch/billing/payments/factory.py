"""The way to be paid that the settings choose."""

from __future__ import annotations

from layerwatch.billing.payments.base import Payments
from layerwatch.billing.payments.manual import ManualPayments
from layerwatch.config import Settings


def payments_of(settings: Settings) -> Payments:
    """The way that the settings choose. Raises ValueError when it lacks something."""
    if settings.payments == "manual":
        return ManualPayments()
    try:
        from layerwatch.billing.payments.stripe import StripePayments
    except ImportError as missing:
        raise ValueError("payments by Stripe need its library: pip install 'layerwatch[stripe]'") from missing
    key, secret = settings.stripe_key.get_secret_value(), settings.stripe_webhook_secret.get_secret_value()
    if not key or not secret:
        raise ValueError("payments by Stripe need stripe_key and stripe_webhook_secret")
    return StripePayments(key, secret, api=settings.stripe_api)
