"""Stripe's events as they reach a running server: over and over, at the same moment, and in odd shapes."""

import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select

from layerwatch.billing import Month
from layerwatch.billing.closing import close
from layerwatch.billing.invoices import find_invoice
from layerwatch.billing.models import Invoice, Payment, PaymentEvent
from layerwatch.billing.statement import statement
from layerwatch.config import load
from tests.billing.test_invoices import used
from tests.support.servers import running
from tests.support.terms import TERMS

pytest.importorskip("stripe")

SECRET = "whsec_for_tests"
NOVEMBER = Month(2026, 11)
CLOSING = NOVEMBER.end + timedelta(days=1)


def signed(body: bytes) -> dict[str, str]:
    stamp = int(time.time())
    proof = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={proof}"}


class Hook:
    """A server that takes Stripe's events, and one invoice of $398.00."""

    def __init__(self, server):
        self.server, self.database = server, server.services.database
        caller = used(self.database, 1_000_000)
        with self.database.write() as session:
            self.number = close(session, caller.account_id, NOVEMBER, TERMS, CLOSING)[-1].invoice
            find_invoice(session, self.number).stripe_id = "pi_1"

    def send(self, event, client=httpx):
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        kwargs = {"trust_env": False} if client is httpx else {}
        url = f"{self.server.url}/console/payments/stripe"
        return client.post(url, content=body, headers=signed(body), timeout=60, **kwargs)

    def paid(self):
        with self.database.read() as session:
            return statement(session, find_invoice(session, self.number)).paid


@pytest.fixture
def hook(database_url, tmp_path):
    settings = load(
        data_dir=tmp_path,
        database=database_url,
        log_level="error",
        payments="stripe",
        stripe_key="sk_test_1",
        stripe_webhook_secret=SECRET,
        stripe_api="http://127.0.0.1:9",
    )
    with running(settings) as server:
        yield Hook(server)


def payment(event_id="evt_1", **about):
    fields = {"id": "pi_1", "amount": 39_800, "amount_received": 39_800, "currency": "usd"} | about
    return {"id": event_id, "type": "payment_intent.succeeded", "data": {"object": fields}}


def test_thirty_copies_of_an_event_at_once_are_all_taken_and_booked_once(hook):
    with ThreadPoolExecutor(30) as many, httpx.Client(trust_env=False) as client:
        answers = list(many.map(lambda _: hook.send(payment(), client), range(30)))
    assert [answer.status_code for answer in answers] == [200] * 30
    assert hook.paid() == 39_800
    with hook.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Payment)) == 1
        assert session.scalar(select(func.count()).select_from(PaymentEvent)) == 1


def test_the_same_payment_under_several_events_at_once_is_booked_once(hook):
    with ThreadPoolExecutor(10) as many, httpx.Client(trust_env=False) as client:
        events = [payment(f"evt_{number}") for number in range(10)]
        answers = list(many.map(lambda event: hook.send(event, client), events))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert hook.paid() == 39_800


def deep(levels):
    return b'{"id":"evt_1","type":"x","data":' + b"[" * levels + b"]" * levels + b"}"


ODD = {
    "empty": b"",
    "not JSON": b"{",
    "not UTF-8": b"\xff",
    "null": None,
    "a number": 1,
    "a list": [],
    "a string": "no event",
    "no id": {"type": "payment_intent.succeeded", "data": {"object": {}}},
    "no type": {"id": "evt_1", "data": {"object": {}}},
    "no data": {"id": "evt_1", "type": "payment_intent.succeeded"},
    "data is a list": {"id": "evt_1", "type": "payment_intent.succeeded", "data": []},
    "object is a string": {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": "pi_1"}},
    "object is null": {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": None}},
    "object is empty": {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {}}},
    "id is a number": payment() | {"id": 1},
    "id is empty": payment() | {"id": ""},
    "id has a NUL": payment() | {"id": "evt\x00"},
    "id is a lone surrogate": payment() | {"id": "\ud800"},
    "id ends a line": payment() | {"id": "evt_1\n"},
    "id is long": payment() | {"id": "e" * 200},
    "type is long": payment() | {"type": "t" * 100_000},
    "type is a list": payment() | {"type": []},
    "payment's id has a NUL": payment(id="pi\x00"),
    "payment's id is a list": payment(id=["pi_1"]),
    "no amount": payment(amount=None, amount_received=None),
    "amount is text": payment(amount="39800"),
    "amount is a fraction": payment(amount=1.5),
    "amount is true": payment(amount_received=True),
    "amount is huge": payment(amount=2**80, amount_received=2**80),
    "amount is negative": payment(amount=-1, amount_received=-1),
    "amount is NaN": json.dumps(payment(amount=float("nan"), amount_received=float("inf"))).encode(),
    "amount has 10,000 digits": json.dumps(payment()).encode().replace(b"39800", b"9" * 10_000),
    "currency is null": payment(currency=None),
    "currency is another": payment(currency="eur"),
    "metadata is a list": payment(metadata=[]),
    "metadata is odd": payment(id="pi_2", metadata={"layerwatch_invoice": {"a": "\x00"}}),
    "invoice's number has a NUL": payment(id="pi_2", metadata={"layerwatch_invoice": "INV\x00"}),
    "an unknown kind": {"id": "evt_1", "type": "customer.created", "data": {"object": {"id": 1}}},
    "a Checkout of another mode": {
        "id": "evt_1",
        "type": "checkout.session.completed",
        "data": {"object": {"mode": "payment"}},
    },
    "a Checkout without customer": {
        "id": "evt_1",
        "type": "checkout.session.completed",
        "data": {"object": {"mode": "setup"}},
    },
    "a Checkout whose customer is a list": {
        "id": "evt_1",
        "type": "checkout.session.completed",
        "data": {"object": {"mode": "setup", "customer": [], "setup_intent": {}}},
    },
    "nested 100,000 deep": deep(100_000),
}


def test_odd_events_that_are_signed_get_200_or_400_in_json_and_book_nothing(hook):
    with httpx.Client(trust_env=False) as client:
        for name, event in ODD.items():
            answer = hook.send(event, client)
            assert answer.status_code in (200, 400), f"{name}: {answer.status_code} {answer.text}"
            assert set(answer.json()) <= {"taken", "error"}, name
        assert hook.paid() == 0
        assert hook.send(payment("evt_true"), client).status_code == 200
    assert hook.paid() == 39_800


def test_a_payment_that_fits_two_invoices_is_booked_on_the_one_that_asked_for_it(hook):
    caller = used(hook.database, 1_000_000)
    with hook.database.write() as session:
        other = close(session, caller.account_id, NOVEMBER, TERMS, CLOSING)[-1].invoice
    assert hook.send(payment(metadata={"layerwatch_invoice": other})).status_code == 200
    assert hook.paid() == 39_800


def test_a_payment_that_is_booked_with_another_amount_gets_400(hook):
    assert hook.send(payment()).status_code == 200
    answer = hook.send(payment("evt_2", amount_received=100))
    assert answer.status_code == 400 and "already booked" in answer.json()["error"]
    assert hook.paid() == 39_800


def test_a_payment_is_found_by_the_invoice_number_that_it_carries(hook):
    with hook.database.write() as session:
        session.scalars(select(Invoice)).one().stripe_id = None
    number = {"layerwatch_invoice": hook.number}
    assert hook.send(payment(id="pi_9", metadata=number)).status_code == 200
    assert hook.paid() == 39_800
