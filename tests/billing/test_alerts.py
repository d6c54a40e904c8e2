"""Spend alerts, by e-mail and webhook."""

import hashlib
import hmac
import http.server
import json
import threading
from datetime import timedelta

import pytest

from layerwatch.billing import Month, NotFound, NotPossible
from layerwatch.billing.alerts import add_alert, list_alerts, remove_alert, tell
from layerwatch.billing.billing_terms import Terms
from layerwatch.notify import WebhookError, Webhooks
from layerwatch.notify.mail import MailError
from tests.billing.test_invoices import used
from tests.support.accounts import NOON, make_caller

TERMS = Terms()


class Outbox:
    def __init__(self, failing=False):
        self.sent, self.failing = [], failing

    def send(self, mail):
        if self.failing:
            raise MailError("no server")
        self.sent.append(mail)


def alert(database, caller, micro_dollars, email="boss@example.org", webhook=None):
    with database.begin() as session:
        return add_alert(session, caller.account_id, micro_dollars, email=email, webhook=webhook).id


def test_an_alert_is_told_once_a_month_when_its_amount_is_reached(database):
    caller = used(database, 30_000)
    alert(database, caller, 10_000_000)
    alert(database, caller, 10_000_001)
    outbox = Outbox()
    for minute in range(3):
        tell(database, outbox, Webhooks(), TERMS, NOON + timedelta(minutes=minute))
    assert [mail.to for mail in outbox.sent] == ["boss@example.org"]
    assert "$10.00" in outbox.sent[0].subject and "30,000" in outbox.sent[0].text
    tell(database, outbox, Webhooks(), TERMS, Month(2026, 12).start)
    assert len(outbox.sent) == 1


def test_an_alert_that_could_not_be_sent_is_sent_later(sqlite_database):
    alert(sqlite_database, used(sqlite_database, 30_000), 1)
    assert tell(sqlite_database, Outbox(failing=True), Webhooks(), TERMS, NOON) == 0
    outbox = Outbox()
    assert tell(sqlite_database, outbox, Webhooks(), TERMS, NOON) == 1
    assert len(outbox.sent) == 1


def test_nodes_that_look_at_once_tell_once(database):
    alert(database, used(database, 30_000), 1)
    outbox = Outbox()
    threads = [
        threading.Thread(target=tell, args=(database, outbox, Webhooks(), TERMS, NOON)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outbox.sent) == 1


@pytest.fixture
def receiver():
    """A web server on this machine that keeps what it is sent, and answers with `status`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((dict(self.headers), body))
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.status = [], 204
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield server
    server.shutdown()
    server.server_close()


def test_a_webhook_is_signed(sqlite_database, receiver):
    caller = used(sqlite_database, 30_000)
    alert(sqlite_database, caller, 1, email=None, webhook=receiver.url)
    assert tell(sqlite_database, Outbox(), Webhooks(private=True), TERMS, NOON) == 1
    ((headers, body),) = receiver.got
    with sqlite_database.read() as session:
        secret = list_alerts(session, caller.account_id)[0].webhook_secret
    stamp, proof = (part.split("=")[1] for part in headers["Layerwatch-Signature"].split(","))
    assert int(stamp) == NOON.timestamp()
    assert proof == hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    event = json.loads(body)
    assert (event["event"], event["calls"], event["micro_dollars"]) == ("spend_alert", 30_000, 10_000_000)


def test_a_webhook_that_answers_with_an_error_is_tried_again(sqlite_database, receiver):
    alert(sqlite_database, used(sqlite_database, 30_000), 1, email=None, webhook=receiver.url)
    receiver.status = 500
    assert tell(sqlite_database, Outbox(), Webhooks(private=True), TERMS, NOON) == 0
    receiver.status = 200
    assert tell(sqlite_database, Outbox(), Webhooks(private=True), TERMS, NOON) == 1


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
    with sqlite_database.begin() as session, pytest.raises(NotPossible):
        add_alert(session, caller.account_id, amount, email=email, webhook=webhook)


def test_nobody_removes_anothers_alert(sqlite_database):
    mine = make_caller(sqlite_database)
    number = alert(sqlite_database, mine, 5)
    with sqlite_database.begin() as session, pytest.raises(NotFound):
        remove_alert(session, mine.account_id + 1, number)
    with sqlite_database.begin() as session:
        remove_alert(session, mine.account_id, number)
        assert list_alerts(session, mine.account_id) == []
