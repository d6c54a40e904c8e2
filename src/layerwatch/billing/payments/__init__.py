"""How invoices are paid: a small protocol (`base`), one module a provider, and the choice (`factory`)."""

from layerwatch.billing.payments.base import PaymentError, Payments

__all__ = ["PaymentError", "Payments"]
