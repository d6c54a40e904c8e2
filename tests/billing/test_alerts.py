"""Spend alerts, by e-mail and webhook."""

import hashlib
import hmac
import http.server
import json
import threading
from datetime import timedelta

import pytest

from layerwatch.billing import Month, NotFound, NotPossible
from layerwatch.billing.alert_delivery import AlertDelivery
from layerwatch.billing.alerts import add_alert, list_alerts, remove_alert
from layerwatch.identity.models import Account
from layerwatch.notify import WebhookError, Webhooks
from layerwatch.notify.mail import MailError
from layerwatch.storage import Claims
from layerwatch.storage.claims import LEASE
from tests.billing.test_invoices import used
from tests.support.accounts import NOON, make_caller
from tests.support.at_once import at_once
from tests.support.clocks import ManualClock
from tests.support.killed import killed
from tests.support.receivers import drip, receiving
from tests.support.terms import TERMS


class Outbox:
    def __init__(self, failing=False):
        self.sent, self.failing = [], failing

    def send(self, mail):
        if self.failing:
            raise MailError("no server")
        self.sent.append(mail)


def alert(database, caller, micro_dollars, email="boss@example.org", webhook=None):
    with database.write() as session:
        return add_alert(session, caller.account_id, micro_dollars, email=email, webhook=webhook).id


def delivery(database, now=NOON):
    return AlertDelivery(database, Claims(database, ManualClock(now)), TERMS)


def mail(database, outbox, now=NOON):
    """A run of the job that mails alerts; how many were mailed."""
    return delivery(database, now).mail(outbox, now)


def post(database, now=NOON, *, private=True):
    """A run of the job that posts alerts; how many were posted."""
    return delivery(database, now).post(Webhooks(private=private), now)


def test_an_alert_is_mailed_once_a_month_when_its_amount_is_reached(database):
    caller = used(database, 30_000)
    alert(database, caller, 10_000_000)
    alert(database, caller, 10_000_001)
    outbox = Outbox()
    for minute in range(3):
        mail(database, outbox, NOON + timedelta(minutes=minute))
    assert [sent.to for sent in outbox.sent] == ["boss@example.org"]
    assert "$10.00" in outbox.sent[0].subject and "30,000" in outbox.sent[0].text
    mail(database, outbox, Month(2026, 12).start)
    assert len(outbox.sent) == 1


def test_an_alert_that_could_not_be_mailed_is_mailed_a_minute_later(sqlite_database):
    alert(sqlite_database, used(sqlite_database, 30_000), 1)
    assert mail(sqlite_database, Outbox(failing=True)) == 0
    outbox = Outbox()
    assert mail(sqlite_database, outbox, NOON + timedelta(seconds=59)) == 0
    assert mail(sqlite_database, outbox, NOON + timedelta(minutes=1)) == 1
    assert len(outbox.sent) == 1


def test_nodes_that_run_at_once_mail_once(database):
    alert(database, used(database, 30_000), 1)
    outbox = Outbox()
    at_once(6, lambda: mail(database, outbox) and None)
    assert len(outbox.sent) == 1


def test_an_alert_that_was_lost_with_its_process_is_mailed_when_the_lease_is_over(database, database_url):
    alert(database, used(database, 30_000), 1)
    killed(
        """
from types import SimpleNamespace
from layerwatch.billing.alert_delivery import AlertDelivery
from layerwatch.storage import Claims, Database
from tests.support.accounts import NOON
from tests.support.clocks import ManualClock
from tests.support.killed import killed
from tests.support.terms import TERMS
database = Database(sys.argv[1])
AlertDelivery(database, Claims(database, ManualClock(NOON)), TERMS).mail(SimpleNamespace(send=die), NOON)
""",
        database_url,
    )
    outbox = Outbox()
    assert mail(database, outbox, NOON + LEASE - timedelta(seconds=1)) == 0
    assert mail(database, outbox, NOON + LEASE) == 1


def test_a_mail_that_fails_does_not_post_the_webhook_again_nor_the_other_way_round(sqlite_database, receiver):
    alert(sqlite_database, used(sqlite_database, 30_000), 1, webhook=receiver.url)
    outbox = Outbox(failing=True)
    for minutes in range(3):
        now = NOON + timedelta(minutes=minutes)
        mail(sqlite_database, outbox, now)
        post(sqlite_database, now)
    assert len(receiver.got) == 1
    outbox.failing = False
    mail(sqlite_database, outbox, NOON + timedelta(minutes=9))
    assert len(outbox.sent) == 1


def test_a_receiver_that_drips_holds_up_no_other_customers_alert(sqlite_database, receiver, monkeypatch):
    monkeypatch.setattr("layerwatch.core.outgoing.DEADLINE_S", 3.0)
    with receiving(drip) as slow:
        for _ in range(4):
            alert(sqlite_database, used(sqlite_database, 30_000), 1, email=None, webhook=slow.url)
        alert(sqlite_database, used(sqlite_database, 30_000), 1, email=None, webhook=receiver.url)
        run = threading.Thread(target=post, args=(sqlite_database,))
        run.start()
        assert receiver.arrived.wait(2.5), "it waited for the others"
        run.join(20)
        assert not run.is_alive() and slow.calls == 4


def test_an_account_that_cannot_be_priced_silences_no_other(sqlite_database):
    broken = used(sqlite_database, 30_000)
    alert(sqlite_database, broken, 1)
    alert(sqlite_database, used(sqlite_database, 30_000), 1, email="other@example.org")
    with sqlite_database.write() as session:
        session.get(Account, broken.account_id).price_book = "gone"
    outbox = Outbox()
    assert mail(sqlite_database, outbox) == 1
    assert [sent.to for sent in outbox.sent] == ["other@example.org"]


@pytest.fixture
def receiver():
    """A web server on this machine that keeps what it is sent, and answers with `status`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((dict(self.headers), body))
            server.arrived.set()
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.status, server.arrived = [], 204, threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield server
    server.shutdown()
    server.server_close()


def test_a_webhook_is_signed(sqlite_database, receiver):
    caller = used(sqlite_database, 30_000)
    alert(sqlite_database, caller, 1, email=None, webhook=receiver.url)
    assert post(sqlite_database) == 1
    ((headers, body),) = receiver.got
    with sqlite_database.read() as session:
        secret = list_alerts(session, caller.account_id)[0].webhook_secret
    stamp, proof = (part.split("=")[1] for part in headers["Layerwatch-Signature"].split(","))
    assert int(stamp) == NOON.timestamp()
    assert proof == hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    event = json.loads(body)
    assert (event["event"], event["calls"], event["micro_dollars"]) == ("spend_alert", 30_000, 10_000_000)


def test_a_webhook_that_answers_with_an_error_is_tried_again_later_and_later(sqlite_database, receiver):
    alert(sqlite_database, used(sqlite_database, 30_000), 1, email=None, webhook=receiver.url)
    receiver.status = 500
    for minutes in range(30):
        assert post(sqlite_database, NOON + timedelta(minutes=minutes)) == 0
    assert len(receiver.got) == 5, "after 1, 2, 4, 8 minutes"
    receiver.status = 200
    assert post(sqlite_database, NOON + timedelta(minutes=31)) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0"]
)
def test_a_customers_webhook_does_not_reach_into_our_network(receiver, host):
    with pytest.raises(WebhookError):
        Webhooks().deliver(f"http://{host}:{receiver.server_port}/hook", "secret", {}, NOON)
    assert receiver.got == []


@pytest.mark.parametrize(
    ("amount", "email", "webhook"),
    [
        (0, "a@example.org", None),
        (1, None, None),
        (1, None, "file:///etc/passwd"),
        (1, None, "nonsense"),
    ],
)
def test_an_alert_that_cannot_work_is_refused(sqlite_database, amount, email, webhook):
    caller = make_caller(sqlite_database)
    with sqlite_database.write() as session, pytest.raises(NotPossible):
        add_alert(session, caller.account_id, amount, email=email, webhook=webhook)


def test_nobody_removes_anothers_alert(sqlite_database):
    mine = make_caller(sqlite_database)
    number = alert(sqlite_database, mine, 5)
    with sqlite_database.write() as session, pytest.raises(NotFound):
        remove_alert(session, mine.account_id + 1, number)
    with sqlite_database.write() as session:
        remove_alert(session, mine.account_id, number)
        assert list_alerts(session, mine.account_id) == []
