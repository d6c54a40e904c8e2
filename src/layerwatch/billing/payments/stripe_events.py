"""Stripe's events: their signature, and the parts of them that are used.

An event that is signed is Stripe's, but no less checked: a field that is missing or of another type refuses
the event, and nothing that the database cannot store reaches it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import stripe
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from layerwatch.billing.payments.base import PaymentError

PAID: Final = "payment_intent.succeeded"
METHOD_SET_UP: Final = "checkout.session.completed"

Id = Annotated[str, Field(pattern=r"^[!-~]{1,80}$")]
"""An object's id: printable ASCII, as long as the columns that keep it."""

Cents = Annotated[int, Field(ge=0, le=10**12)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class PaymentIntent(_Part):
    """A payment. amount_received: what was paid of `amount`."""

    id: Id
    amount: Cents
    amount_received: Cents | None = None
    currency: Annotated[str, Field(max_length=10)]
    metadata: dict[str, Any] | None = None

    @property
    def cents(self) -> int:
        """What was paid."""
        return self.amount_received or self.amount


class MethodSetUp(_Part):
    """A Checkout in which a customer left a payment method."""

    customer: Id
    setup_intent: Id


class _Data(_Part):
    object: dict[str, Any]


class _Envelope(_Part):
    id: Id
    type: Annotated[str, Field(min_length=1, max_length=80)]
    data: _Data


class StripeEvent(_Part):
    """An event that changes something."""

    id: Id
    kind: Literal["payment_intent.succeeded", "checkout.session.completed"]
    about: PaymentIntent | MethodSetUp


def read_event(body: bytes, signature: str, secret: str) -> StripeEvent | None:
    """The event in a request's body; None for one that is of no interest. Raises PaymentError.

    signature: the header Stripe-Signature.
    """
    try:
        stripe.WebhookSignature.verify_header(
            body.decode(), signature, secret, stripe.Webhook.DEFAULT_TOLERANCE
        )
    except (stripe.SignatureVerificationError, ValueError) as error:
        raise PaymentError("The event is not signed as it should be.") from error
    try:
        event = _Envelope.model_validate_json(body)
        if event.type == PAID:
            return StripeEvent(id=event.id, kind=PAID, about=PaymentIntent.model_validate(event.data.object))
        if event.type == METHOD_SET_UP and event.data.object.get("mode") == "setup":
            about = MethodSetUp.model_validate(event.data.object)
            return StripeEvent(id=event.id, kind=METHOD_SET_UP, about=about)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise PaymentError(
            f"The event cannot be used: {where or 'not a JSON object'} is not valid."
        ) from error
    return None
