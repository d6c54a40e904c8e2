"""Payments by Stripe, against `localstripe`: a stand-in for Stripe that runs as a process of its own.

It has no Checkout, so the end of a Checkout is played: a payment method and a set-up intent are made through
its API, and the event that Stripe would send is signed here.
"""

import hashlib
import hmac
import json
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from layerwatch.billing import Month
from layerwatch.billing.closing import close
from layerwatch.billing.invoices import credit, find_invoice
from layerwatch.billing.models import PaymentEvent
from layerwatch.billing.payments import PaymentError
from layerwatch.billing.payments.factory import payments_of
from layerwatch.billing.payments.manual import ManualPayments
from layerwatch.billing.statement import statement
from layerwatch.config import load
from layerwatch.identity.models import Account
from layerwatch.storage import Claims
from layerwatch.storage.claims import LEASE
from tests.billing.test_invoices import used
from tests.support.at_once import at_once
from tests.support.clocks import ManualClock
from tests.support.killed import killed
from tests.support.terms import TERMS

pytest.importorskip("stripe")
pytest.importorskip("localstripe")

from layerwatch.billing.payments.stripe import StripePayments

SECRET = "whsec_for_tests"
KEY = "sk_test_12345"
GOOD_CARD, DECLINED_CARD = "4242424242424242", "4000000000000341"
NOVEMBER = Month(2026, 11)
CLOSING = NOVEMBER.end + timedelta(days=1)


class Stripe:
    """The running stand-in, called as Stripe's own pages would call it."""

    def __init__(self, url):
        self.url = url
        self.http = httpx.Client(base_url=url, auth=(KEY, ""), timeout=30, trust_env=False)

    def post(self, path, **data):
        answer = self.http.post(f"/v1/{path}", data=data)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path):
        return self.http.get(f"/v1/{path}").json()

    def payment(self, payment):
        return self.get(f"payment_intents/{payment}")

    def paid_event(self, payment, number="evt_1"):
        """What Stripe sends when a payment succeeded."""
        return {"id": number, "type": "payment_intent.succeeded", "data": {"object": self.payment(payment)}}


@pytest.fixture(scope="module")
def stripe():
    """A stand-in for Stripe on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/v1/customers", auth=(KEY, ""), trust_env=False)
                break
            except httpx.HTTPError:
                assert process.poll() is None and time.monotonic() < deadline, "localstripe did not start"
                time.sleep(0.1)
        yield Stripe(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def payments(stripe):
    return StripePayments(KEY, SECRET, api=stripe.url)


def signed(event, secret=SECRET, at=None):
    """The body of an event, and its Stripe-Signature."""
    body = json.dumps(event).encode()
    stamp = int(at or time.time())
    proof = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return body, f"t={stamp},v1={proof}"


def send(payments, database, event, now=CLOSING):
    payments.take(database, *signed(event), TERMS, now)


def collect(payments, database, now):
    return payments.collect(database, Claims(database, ManualClock(now)), TERMS, now)


def set_up(stripe, payments, database, account_id, card=GOOD_CARD):
    """The account leaves a card, as by Checkout."""
    customer = payments.customer(database, account_id)
    method = stripe.post(
        "payment_methods",
        **{
            "type": "card",
            "card[number]": card,
            "card[exp_month]": "12",
            "card[exp_year]": "2035",
            "card[cvc]": "123",
        },
    )["id"]
    stripe.post(f"payment_methods/{method}/attach", customer=customer)
    intent = stripe.post("setup_intents", customer=customer)
    intent = stripe.post(f"setup_intents/{intent['id']}/confirm", payment_method=method)
    about = {"mode": "setup", "customer": customer, "setup_intent": intent["id"]}
    event = {"id": f"evt_{intent['id']}", "type": "checkout.session.completed", "data": {"object": about}}
    send(payments, database, event)


def billed(database, **options):
    """A caller whose November was closed at $398.00."""
    caller = used(database, 1_000_000, **options)
    with database.write() as session:
        return caller, close(session, caller.account_id, NOVEMBER, TERMS, CLOSING)[-1].invoice


def of(database, number):
    with database.read() as session:
        invoice = find_invoice(session, number)
        return statement(session, invoice), invoice.stripe_id


def test_a_payment_method_lets_an_account_leave_free_usage_only(stripe, payments, database):
    caller = used(database, 10, free_only=True)
    set_up(stripe, payments, database, caller.account_id)
    with database.read() as session:
        account = session.get(Account, caller.account_id)
        assert account.payment_ready and not account.free_only
        customer = stripe.get(f"customers/{account.stripe_customer}")
    assert customer["metadata"]["layerwatch_account"] == str(caller.account_id)
    assert customer["invoice_settings"]["default_payment_method"]


def test_an_account_is_one_customer(stripe, payments, sqlite_database):
    caller = used(sqlite_database, 10)
    first = payments.customer(sqlite_database, caller.account_id)
    assert payments.customer(sqlite_database, caller.account_id) == first


def test_an_invoice_is_charged_and_booked_when_stripe_says_that_it_was_paid(stripe, payments, database):
    caller, number = billed(database)
    set_up(stripe, payments, database, caller.account_id)
    assert collect(payments, database, CLOSING) == 1
    ours, payment = of(database, number)
    theirs = stripe.payment(payment)
    assert (theirs["status"], theirs["amount"], theirs["currency"]) == ("succeeded", 39_800, "usd")
    assert theirs["metadata"]["layerwatch_invoice"] == number
    assert ours.balance == 39_800, "booked only when the signed event comes"
    send(payments, database, stripe.paid_event(payment))
    ours, _ = of(database, number)
    assert ours.balance == 0 and ours.status(CLOSING) == "paid"


def test_an_event_that_is_sent_again_is_booked_once(stripe, payments, sqlite_database):
    caller, number = billed(sqlite_database)
    set_up(stripe, payments, sqlite_database, caller.account_id)
    collect(payments, sqlite_database, CLOSING)
    _, payment = of(sqlite_database, number)
    for event_id in ("evt_a", "evt_a", "evt_b"):
        send(payments, sqlite_database, stripe.paid_event(payment, event_id))
    ours, _ = of(sqlite_database, number)
    assert ours.paid == 39_800 and len(ours.entries) == 1


def test_an_invoice_is_charged_once_and_a_lost_event_is_made_good(stripe, payments, sqlite_database):
    caller, number = billed(sqlite_database)
    set_up(stripe, payments, sqlite_database, caller.account_id)
    assert [collect(payments, sqlite_database, CLOSING) for _ in range(3)] == [1, 0, 0]
    _, payment = of(sqlite_database, number)
    # The next day Stripe's event is still missing: the payment is looked up, not made again.
    assert collect(payments, sqlite_database, CLOSING + timedelta(days=1)) == 0
    ours, same = of(sqlite_database, number)
    assert same == payment and ours.paid == 39_800
    send(payments, sqlite_database, stripe.paid_event(payment))
    assert of(sqlite_database, number)[0].paid == 39_800


def test_a_crash_before_the_payment_was_stored_moves_no_money(stripe, payments, sqlite_database):
    """What is prepared and forgotten is never confirmed; the next try makes its own."""
    caller, number = billed(sqlite_database)
    set_up(stripe, payments, sqlite_database, caller.account_id)
    customer = payments.customer(sqlite_database, caller.account_id)
    forgotten = payments.prepare(customer, number, 39_800, CLOSING)
    collect(payments, sqlite_database, CLOSING)
    assert stripe.payment(forgotten)["status"] == "requires_confirmation"
    assert stripe.payment(of(sqlite_database, number)[1])["status"] == "succeeded"


@pytest.mark.parametrize(
    "dies_in", ["CustomerService.retrieve", "PaymentIntentService.create", "PaymentIntentService.confirm"]
)
def test_a_charge_that_was_lost_with_its_process_is_made_again_and_only_once(
    stripe, payments, sqlite_database, sqlite_url, dies_in
):
    """Killed right after Stripe has done what was asked: when the lease is over, another node continues."""
    caller, number = billed(sqlite_database)
    set_up(stripe, payments, sqlite_database, caller.account_id)
    killed(
        """
import stripe
from layerwatch.billing.payments.stripe import StripePayments
from layerwatch.storage import Claims, Database
from tests.billing.test_stripe import CLOSING, KEY, SECRET, TERMS
from tests.support.clocks import ManualClock
from tests.support.killed import killed
_, url, api, dies_in = sys.argv
service, method = dies_in.split(".")
service = getattr(stripe, service)
call = getattr(service, method)
setattr(service, method, lambda *arguments: (call(*arguments), die()))
database = Database(url)
claims = Claims(database, ManualClock(CLOSING))
StripePayments(KEY, SECRET, api=api).collect(database, claims, TERMS, CLOSING)
""",
        sqlite_url,
        stripe.url,
        dies_in,
    )
    assert collect(payments, sqlite_database, CLOSING + LEASE - timedelta(seconds=1)) == 0
    collect(payments, sqlite_database, CLOSING + LEASE)
    ours, payment = of(sqlite_database, number)
    assert stripe.payment(payment)["status"] == "succeeded"
    send(payments, sqlite_database, stripe.paid_event(payment, f"evt_{dies_in}"))
    ours, _ = of(sqlite_database, number)
    assert ours.paid == 39_800
    customer = stripe.payment(payment)["customer"]
    charges = stripe.get("payment_intents?limit=100")["data"]
    mine = [one["status"] for one in charges if one["customer"] == customer]
    assert mine.count("succeeded") == 1


def test_nodes_that_collect_at_once_charge_once(stripe, payments, database):
    caller, number = billed(database)
    set_up(stripe, payments, database, caller.account_id)
    asked = []
    at_once(4, lambda: asked.append(collect(payments, database, CLOSING)))
    assert sum(asked) == 1
    assert stripe.payment(of(database, number)[1])["status"] == "succeeded"


def test_a_declined_card_leaves_the_invoice_open_until_it_blocks(stripe, payments, sqlite_database):
    caller, number = billed(sqlite_database)
    set_up(stripe, payments, sqlite_database, caller.account_id, card=DECLINED_CARD)
    collect(payments, sqlite_database, CLOSING)
    ours, payment = of(sqlite_database, number)
    assert ours.balance == 39_800 and stripe.payment(payment)["status"] == "requires_payment_method"
    with sqlite_database.read() as session:
        assert session.get(Account, caller.account_id).blocked_from == CLOSING + TERMS.due + TERMS.grace


def test_after_a_declined_card_a_better_one_is_charged_the_next_day(stripe, payments, sqlite_database):
    caller, number = billed(sqlite_database)
    set_up(stripe, payments, sqlite_database, caller.account_id, card=DECLINED_CARD)
    collect(payments, sqlite_database, CLOSING)
    set_up(stripe, payments, sqlite_database, caller.account_id, card=GOOD_CARD)
    assert collect(payments, sqlite_database, CLOSING + timedelta(days=1)) == 1
    _, payment = of(sqlite_database, number)
    assert stripe.payment(payment)["status"] == "succeeded"


def test_who_was_blocked_is_free_as_soon_as_stripe_was_paid(stripe, payments, sqlite_database):
    caller, number = billed(sqlite_database)
    set_up(stripe, payments, sqlite_database, caller.account_id)
    late = CLOSING + TERMS.due + TERMS.grace + timedelta(days=1)
    collect(payments, sqlite_database, late)
    _, payment = of(sqlite_database, number)
    send(payments, sqlite_database, stripe.paid_event(payment), now=late)
    with sqlite_database.read() as session:
        assert session.get(Account, caller.account_id).blocked_from is None


def test_only_what_is_left_to_pay_is_charged(stripe, payments, sqlite_database):
    caller, number = billed(sqlite_database)
    with sqlite_database.write() as session:
        credit(session, find_invoice(session, number), 9_800, "outage", TERMS, CLOSING)
    set_up(stripe, payments, sqlite_database, caller.account_id)
    collect(payments, sqlite_database, CLOSING)
    _, payment = of(sqlite_database, number)
    assert stripe.payment(payment)["amount"] == 30_000


def test_an_account_without_a_payment_method_is_not_charged(payments, sqlite_database):
    billed(sqlite_database)
    assert collect(payments, sqlite_database, CLOSING) == 0


@pytest.mark.parametrize("fault", ["secret", "old", "changed", "none", "nonsense"])
def test_an_event_that_stripe_did_not_sign_is_refused(payments, sqlite_database, fault):
    about = {"id": "pi_1", "amount": 1, "currency": "usd"}
    event = {"id": "evt_x", "type": "payment_intent.succeeded", "data": {"object": about}}
    body, signature = signed(event, "whsec_wrong" if fault == "secret" else SECRET)
    if fault == "old":
        body, signature = signed(event, at=time.time() - 3600)
    elif fault == "changed":
        body = body.replace(b"1", b"9")
    elif fault == "none":
        signature = ""
    elif fault == "nonsense":
        body, signature = signed("no event")
    with pytest.raises(PaymentError):
        payments.take(sqlite_database, body, signature, TERMS, CLOSING)
    with sqlite_database.read() as session:
        assert session.query(PaymentEvent).count() == 0


def test_an_event_about_another_users_payment_changes_nothing(payments, sqlite_database):
    _, number = billed(sqlite_database)
    about = {"id": "pi_stranger", "amount": 39_800, "currency": "usd", "metadata": {}}
    event = {"id": "evt_s", "type": "payment_intent.succeeded", "data": {"object": about}}
    send(payments, sqlite_database, event)
    assert of(sqlite_database, number)[0].balance == 39_800


def test_when_stripe_is_out_of_reach_nothing_breaks(sqlite_database):
    caller, number = billed(sqlite_database)
    away = StripePayments(KEY, SECRET, api="http://127.0.0.1:9")
    with sqlite_database.write() as session:
        account = session.get(Account, caller.account_id)
        account.payment_ready, account.stripe_customer = True, "cus_1"
    assert collect(away, sqlite_database, CLOSING) == 0
    with sqlite_database.read() as session:
        assert find_invoice(session, number).payment_asked_at is None, "tried again the same day"
    with pytest.raises(PaymentError):
        away.set_up_url(sqlite_database, caller.account_id, "http://back")
    assert of(sqlite_database, number)[0].balance == 39_800


def test_stripe_sends_its_event_to_a_running_server_and_the_invoice_is_paid(stripe, sqlite_url, tmp_path):
    """From the stand-in's own webhook, over HTTP, signed by it."""
    from tests.support.servers import running

    settings = load(
        data_dir=tmp_path,
        database=sqlite_url,
        log_level="error",
        payments="stripe",
        stripe_key=KEY,
        stripe_webhook_secret=SECRET,
        stripe_api=stripe.url,
    )
    payments = payments_of(settings)
    with running(settings) as server:
        database = server.services.database
        caller, number = billed(database)
        set_up(stripe, payments, database, caller.account_id)
        hook = f"{server.url}/console/payments/stripe"
        assert httpx.post(hook, content=b"{}", trust_env=False).status_code == 400
        answer = stripe.http.post("/_config/webhooks/layerwatch", json={"url": hook, "secret": SECRET})
        assert answer.status_code == 200
        collect(payments, database, datetime.now(UTC))
        deadline = time.monotonic() + 60
        while of(database, number)[0].balance and time.monotonic() < deadline:
            time.sleep(0.2)
        assert of(database, number)[0].status(CLOSING) == "paid"


def test_manual_is_the_default_and_stripe_needs_its_secrets(tmp_path):
    assert isinstance(payments_of(load(data_dir=tmp_path)), ManualPayments)
    with pytest.raises(ValueError, match="stripe_webhook_secret"):
        payments_of(load(data_dir=tmp_path, payments="stripe", stripe_key=KEY))
