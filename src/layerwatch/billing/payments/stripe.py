"""Payments by Stripe: a customer per account, a payment method by Checkout, a payment per invoice.

Our invoice is the only invoice; Stripe moves the money (a PaymentIntent that names our number) and tells the
outcome by signed events, each of which takes effect once, in the transaction that remembers it.

No crash charges twice: a payment is prepared, its id is stored with the invoice, and only then confirmed.
Before another try the stored one is looked up, so that also an event that got lost is made good.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import stripe
import structlog
from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.invoices import pay
from layerwatch.billing.models import Invoice, PaymentEvent
from layerwatch.billing.payments.base import PaymentError
from layerwatch.billing.statement import CURRENCY, statement
from layerwatch.identity.models import Account
from layerwatch.storage import Database

log = structlog.get_logger(__name__)

OUR_NUMBER = "layerwatch_invoice"
"""Under this name a payment carries the number of our invoice."""
PAID = "payment_intent.succeeded"


class StripePayments:
    """Implements `Payments`. api: address of a stand-in for Stripe; empty: Stripe itself."""

    name = "stripe"

    def __init__(self, key: str, webhook_secret: str, *, api: str = "") -> None:
        addresses: Any = {"api": api} if api else None
        self._stripe = stripe.StripeClient(key, base_addresses=addresses, max_network_retries=2)
        self._webhook_secret = webhook_secret
        # Nobody sits at a screen when an invoice is charged. The stand-in does not know the word.
        self._confirmation: Any = {} if api else {"off_session": True}

    def set_up_url(self, database: Database, account_id: int, back: str) -> str:
        """A Checkout page where the account leaves its payment method."""
        try:
            customer = self._customer(database, account_id)
            session = self._stripe.v1.checkout.sessions.create(
                {
                    "mode": "setup",
                    "currency": CURRENCY.lower(),
                    "customer": customer,
                    "success_url": back,
                    "cancel_url": back,
                }
            )
        except stripe.StripeError as error:
            raise _failed("the payment page could not be opened", error) from error
        if not session.url:
            raise PaymentError("Stripe gave no page to go to. Try again.")
        return session.url

    def collect(self, database: Database, terms: Terms, now: datetime) -> int:
        """Ask Stripe to charge each open invoice of accounts with a payment method, at most once a day."""
        with database.read() as session:
            waiting = session.scalars(
                select(Invoice.id)
                .join(Account, Account.id == Invoice.account_id)
                .where(Invoice.settled_at.is_(None), Account.payment_ready.is_(True))
                .order_by(Invoice.id)
            ).all()
        asked = 0
        for invoice_id in waiting:
            if _claimed(database, f"collect {invoice_id} {now:%Y-%m-%d}", "collect", now):
                asked += self._charge(database, invoice_id, terms, now)
        return asked

    def take(self, database: Database, body: bytes, signature: str, terms: Terms, now: datetime) -> None:
        """Take a signed event: a payment method was set up, or an invoice was paid."""
        try:
            stripe.WebhookSignature.verify_header(
                body.decode(), signature, self._webhook_secret, stripe.Webhook.DEFAULT_TOLERANCE
            )
            event = json.loads(body)
            event_id, kind, about = str(event["id"]), str(event["type"]), event["data"]["object"]
        except (stripe.SignatureVerificationError, ValueError, KeyError, TypeError) as error:
            raise PaymentError("The event is not signed as it should be.") from error
        if kind == "checkout.session.completed" and about.get("mode") == "setup":
            self._keep_method(database, event_id, about, now)
        elif kind == PAID:
            database.transact(lambda session: _book_event(session, event_id, about, terms, now))

    def _customer(self, database: Database, account_id: int) -> str:
        with database.read() as session:
            account = session.get_one(Account, account_id)
            if account.stripe_customer:
                return account.stripe_customer
            details: Any = {"name": account.name, "metadata": {"layerwatch_account": str(account_id)}}
            if account.billing_email:
                details["email"] = account.billing_email
        made = self._stripe.v1.customers.create(
            details, {"idempotency_key": f"layerwatch-customer-{account_id}"}
        )

        def keep(session: Session) -> str:
            account = session.get_one(Account, account_id)
            account.stripe_customer = account.stripe_customer or made.id
            return account.stripe_customer

        return database.transact(keep)

    def _charge(self, database: Database, invoice_id: int, terms: Terms, now: datetime) -> bool:
        with database.read() as session:
            invoice = session.get_one(Invoice, invoice_id)
            number, owed = invoice.number, statement(session, invoice).balance
            customer = session.get_one(Account, invoice.account_id).stripe_customer
            before = invoice.stripe_id
        if not customer or owed <= 0:
            return False
        try:
            if before is not None:
                known = self._stripe.v1.payment_intents.retrieve(before)
                if known.status == "succeeded":
                    about = {"id": known.id, "amount_received": known.amount, "currency": known.currency}
                    database.transact(lambda session: _book(session, about, terms, now))
                    return False
                if known.status == "processing":
                    return False
            prepared = self._prepare(customer, number, owed, now)
            database.transact(lambda session: _keep_payment(session, invoice_id, prepared))
            self._stripe.v1.payment_intents.confirm(prepared, self._confirmation)
        except stripe.CardError as error:
            log.info("payment_declined", invoice=number, code=error.code)
        except stripe.StripeError as error:
            log.warning("payment_not_asked", invoice=number, why=type(error).__name__)
            return False
        return True

    def _prepare(self, customer: str, number: str, cents: int, now: datetime) -> str:
        """A payment that is not confirmed yet: no money moves."""
        settings = self._stripe.v1.customers.retrieve(customer).invoice_settings
        method = None if settings is None else settings.default_payment_method
        made = self._stripe.v1.payment_intents.create(
            {
                "customer": customer,
                "amount": cents,
                "currency": CURRENCY.lower(),
                "payment_method": str(method),
                "metadata": {OUR_NUMBER: number},
            },
            {"idempotency_key": f"layerwatch-{number}-{cents}-{now:%Y-%m-%d}"},
        )
        return str(made.id)

    def _keep_method(self, database: Database, event_id: str, about: Any, now: datetime) -> None:
        """The account may leave free usage only: it has a way to pay."""
        customer = str(about["customer"])
        try:
            intent = self._stripe.v1.setup_intents.retrieve(str(about["setup_intent"]))
            self._stripe.v1.customers.update(
                customer, {"invoice_settings": {"default_payment_method": str(intent.payment_method)}}
            )
        except stripe.StripeError as error:
            raise _failed("the payment method could not be kept", error) from error

        def ready(session: Session) -> None:
            if _seen(session, event_id, "checkout.session.completed", now):
                return
            account = session.scalars(
                select(Account).where(Account.stripe_customer == customer)
            ).one_or_none()
            if account is not None:
                account.payment_ready, account.free_only = True, False

        database.transact(ready)


def _book_event(session: Session, event_id: str, about: Any, terms: Terms, now: datetime) -> None:
    if not _seen(session, event_id, PAID, now):
        _book(session, about, terms, now)


def _book(session: Session, about: Any, terms: Terms, now: datetime) -> None:
    """Book a payment that succeeded. Every try was stored with its invoice before it was confirmed."""
    reference = str(about["id"])
    cents = int(about.get("amount_received") or about["amount"])
    number = str((about.get("metadata") or {}).get(OUR_NUMBER, ""))
    invoice = session.scalars(
        select(Invoice).where(or_(Invoice.stripe_id == reference, Invoice.number == number))
    ).one_or_none()
    if invoice is None or cents <= 0 or str(about["currency"]).upper() != CURRENCY:
        log.warning("payment_of_no_invoice", payment=reference)
        return
    pay(
        session,
        invoice,
        cents,
        method="stripe",
        reference=reference,
        terms=terms,
        now=now,
        beyond_balance=True,
    )


def _keep_payment(session: Session, invoice_id: int, payment: str) -> None:
    session.get_one(Invoice, invoice_id).stripe_id = payment


def _seen(session: Session, event_id: str, kind: str, now: datetime) -> bool:
    """Whether an event was taken before; if not, it is remembered in this transaction."""
    if session.get(PaymentEvent, event_id) is not None:
        return True
    session.add(PaymentEvent(id=event_id[:80], kind=kind[:80], taken_at=now))
    session.flush()
    return False


def _claimed(database: Database, what: str, kind: str, now: datetime) -> bool:
    """Claim a piece of work among all nodes: True for one of them."""
    try:
        return not database.transact(lambda session: _seen(session, what, kind, now))
    except IntegrityError:
        return False


def _failed(what: str, error: stripe.StripeError) -> PaymentError:
    log.warning("stripe_failed", what=what, why=type(error).__name__)
    return PaymentError(f"Stripe did not answer as it should: {what}. Try again in a moment.")
