"""Payments by Stripe: a customer per account, a payment method by Checkout, a payment per invoice.

Our invoice is the only invoice; Stripe moves the money (a PaymentIntent that names our number) and tells the
outcome by signed events, each of which takes effect once, in the transaction that remembers it.

No crash charges twice: a payment is prepared, its id is stored with the invoice, and only then confirmed.
Before another try the stored one is looked up, so that also an event that got lost is made good.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import stripe
import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from layerwatch.billing import invoice_repository
from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.errors import BillingError
from layerwatch.billing.invoices import pay
from layerwatch.billing.models import PaymentEvent
from layerwatch.billing.payments.base import PaymentError
from layerwatch.billing.payments.stripe_events import (
    METHOD_SET_UP,
    MethodSetUp,
    PaymentIntent,
    read_event,
)
from layerwatch.billing.statement import CURRENCY, statement
from layerwatch.identity.repository import accounts_of_customer, get_account
from layerwatch.storage import Claims, Database, as_number

log = structlog.get_logger(__name__)

OUR_NUMBER = "layerwatch_invoice"
"""Under this name a payment carries the number of our invoice."""

REQUEST_TIMEOUT_S = 10.0
"""Of each request to Stripe, which is tried three times at most."""


class StripePayments:
    """Implements `Payments`. api: address of a stand-in for Stripe; empty: Stripe itself."""

    name = "stripe"

    def __init__(self, key: str, webhook_secret: str, *, api: str = "") -> None:
        addresses: Any = {"api": api} if api else None
        http = stripe.RequestsClient(timeout=REQUEST_TIMEOUT_S)
        self._stripe = stripe.StripeClient(
            key, base_addresses=addresses, max_network_retries=2, http_client=http
        )
        self._webhook_secret = webhook_secret
        # Nobody sits at a screen when an invoice is charged. The stand-in does not know the word.
        self._confirmation: Any = {} if api else {"off_session": True}

    def set_up_url(self, database: Database, account_id: int, back: str) -> str:
        """A Checkout page where the account leaves its payment method."""
        try:
            customer = self.customer(database, account_id)
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

    def collect(self, database: Database, claims: Claims, terms: Terms, now: datetime) -> int:
        """Ask Stripe to charge each open invoice of accounts with a payment method, at most once a day."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with database.read() as session:
            invoices = invoice_repository.to_collect(session, today)
        asked: list[int] = []

        def due(invoice: int, session: Session) -> bool:
            return invoice_repository.is_to_collect(session, invoice, today)

        def work(invoice: int) -> None:
            if self._charge(database, invoice, terms, now):
                asked.append(invoice)

        def done(invoice: int, session: Session) -> None:
            invoice_repository.asked(session, invoice, now)

        for invoice in invoices:
            try:
                claims.run(
                    f"invoice {invoice} payment",
                    due=partial(due, invoice),
                    work=partial(work, invoice),
                    done=partial(done, invoice),
                )
            except stripe.StripeError as error:
                log.warning("payment_not_asked", invoice=invoice, why=type(error).__name__)
            except BillingError as error:
                log.error("payment_not_booked", invoice=invoice, why=str(error))
        return len(asked)

    def take(self, database: Database, body: bytes, signature: str, terms: Terms, now: datetime) -> None:
        """Take a signed event: a payment method was set up, or an invoice was paid."""
        event = read_event(body, signature, self._webhook_secret)
        if event is None:
            return
        if isinstance(event.about, MethodSetUp):
            self._keep_method(database, event.id, event.about, now)
            return
        payment = event.about

        def book(session: Session) -> None:
            if _is_new(session, event.id, event.kind, now):
                _book(session, payment, terms, now)

        database.transact(book)

    def customer(self, database: Database, account_id: int) -> str:
        """Stripe's number of an account, which becomes a customer there at first. Raises StripeError."""
        with database.read() as session:
            account = get_account(session, account_id)
            if account.stripe_customer:
                return account.stripe_customer
            details: Any = {"name": account.name, "metadata": {"layerwatch_account": str(account_id)}}
            if account.billing_email:
                details["email"] = account.billing_email
        made = self._stripe.v1.customers.create(
            details, {"idempotency_key": f"layerwatch-customer-{account_id}"}
        )

        def keep(session: Session) -> str:
            account = get_account(session, account_id)
            account.stripe_customer = account.stripe_customer or made.id
            return account.stripe_customer

        return database.transact(keep)

    def _charge(self, database: Database, invoice_id: int, terms: Terms, now: datetime) -> bool:
        """Whether Stripe was asked. Raises StripeError, after which it is safe to begin again."""
        with database.read() as session:
            invoice = invoice_repository.get_invoice(session, invoice_id)
            number, owed = invoice.number, statement(session, invoice).balance
            customer = get_account(session, invoice.account_id).stripe_customer
            before = invoice.stripe_id
        if not customer or owed <= 0:
            return False
        if before is not None:
            known = self._stripe.v1.payment_intents.retrieve(before)
            if known.status == "succeeded":
                paid = PaymentIntent(id=known.id, amount=known.amount, currency=known.currency)
                database.transact(_book, paid, terms, now)
                return False
            if known.status == "processing":
                return False
        prepared = self.prepare(customer, number, owed, now)
        database.transact(_keep_payment, invoice_id, prepared)
        try:
            self._stripe.v1.payment_intents.confirm(prepared, self._confirmation)
        except stripe.CardError as error:
            log.info("payment_declined", invoice=number, code=error.code)
        return True

    def prepare(self, customer: str, number: str, cents: int, now: datetime) -> str:
        """A payment of so many cents that is not confirmed yet: no money moves. Raises StripeError."""
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

    def _keep_method(self, database: Database, event_id: str, about: MethodSetUp, now: datetime) -> None:
        """The account may leave free usage only: it has a way to pay."""
        with database.read() as session:
            if session.get(PaymentEvent, event_id) is not None:
                return
        try:
            intent = self._stripe.v1.setup_intents.retrieve(about.setup_intent)
            self._stripe.v1.customers.update(
                about.customer, {"invoice_settings": {"default_payment_method": str(intent.payment_method)}}
            )
        except stripe.StripeError as error:
            raise _failed("the payment method could not be kept", error) from error

        def ready(session: Session) -> None:
            if not _is_new(session, event_id, METHOD_SET_UP, now):
                return
            for account in accounts_of_customer(session, about.customer):
                account.payment_ready, account.free_only = True, False

        database.transact(ready)


def _book(session: Session, paid: PaymentIntent, terms: Terms, now: datetime) -> None:
    """Book a payment that succeeded. Every try was stored with its invoice before it was confirmed."""
    invoice = invoice_repository.by_stripe_id(session, paid.id)
    if invoice is None:
        number = str((paid.metadata or {}).get(OUR_NUMBER, ""))
        if number.isascii() and number.isprintable():  # else none of ours, nor fit for a query
            invoice = invoice_repository.by_number(session, number)
    if invoice is None or paid.cents <= 0 or paid.currency.upper() != CURRENCY:
        log.warning("payment_of_no_invoice", payment=paid.id)
        return
    pay(
        session,
        invoice,
        paid.cents,
        method="stripe",
        reference=paid.id,
        terms=terms,
        now=now,
        beyond_balance=True,
    )


def _keep_payment(session: Session, invoice_id: int, payment: str) -> None:
    invoice_repository.get_invoice(session, invoice_id).stripe_id = payment


_TAKE = text(
    "INSERT INTO payment_events (id, kind, taken_at) VALUES (:id, :kind, :at) ON CONFLICT DO NOTHING"
)


def _is_new(session: Session, event_id: str, kind: str, now: datetime) -> bool:
    """Whether an event was not taken before; it is from now on. A copy that comes meanwhile waits here."""
    taken = session.execute(_TAKE, {"id": event_id, "kind": kind, "at": as_number(now)})
    return bool(cast(Any, taken).rowcount)


def _failed(what: str, error: stripe.StripeError) -> PaymentError:
    log.warning("stripe_failed", what=what, why=type(error).__name__)
    return PaymentError(f"Stripe did not answer as it should: {what}. Try again in a moment.")
