"""Spend alerts, by e-mail and webhook."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from layerwatch.billing import Month, NotFound, NotPossible
from layerwatch.billing.alert_delivery import AlertDelivery
from layerwatch.billing.alerts import add_alert, list_alerts, remove_alert, remove_channel
from layerwatch.identity.models import Account
from layerwatch.notify import NotificationDelivery
from layerwatch.notify.channels import ChannelKind, add_channel
from layerwatch.notify.mail import MailError
from layerwatch.notify.models import ChannelRow
from layerwatch.notify.repository import channels_of, log_of
from layerwatch.notify.signature import as_secret
from layerwatch.storage import Claims
from layerwatch.storage.claims import LEASE
from tests.billing.test_invoices import used
from tests.support.accounts import NOON, make_caller
from tests.support.at_once import at_once
from tests.support.clocks import ManualClock
from tests.support.killed import killed
from tests.support.posts import taking_posts
from tests.support.terms import TERMS


class Outbox:
    def __init__(self, failing=False):
        self.sent, self.failing = [], failing

    def send(self, mail):
        if self.failing:
            raise MailError("no server")
        self.sent.append(mail)


def alert(database, caller, micro_dollars, email="boss@example.org"):
    with database.write() as session:
        return add_alert(session, caller.account_id, micro_dollars, email=email).id


def channel(database, caller, events=("spend.reached",)):
    """The number of a new webhook of the account."""
    with database.write() as session:
        return add_channel(
            session,
            caller.account_id,
            kind=ChannelKind.WEBHOOK,
            name="Books",
            address="https://example.org/hook",
            events=events,
            now=NOON,
            private=False,
        ).id


def announced(database, channel_id):
    """What was announced to a channel: type and data."""
    with database.read() as session:
        return [
            (body["type"], body["data"])
            for body in (json.loads(one.body) for one in log_of(session, channel_id, 9))
        ]


def delivery(database, now=NOON):
    return AlertDelivery(database, Claims(database, ManualClock(now)), TERMS)


def mail(database, outbox, now=NOON):
    """A run of the job that mails alerts; how many were mailed."""
    return delivery(database, now).mail(outbox, now)


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
from tests.support.posts import taking_posts
from tests.support.terms import TERMS
database = Database(sys.argv[1])
AlertDelivery(database, Claims(database, ManualClock(NOON)), TERMS).mail(SimpleNamespace(send=die), NOON)
""",
        database_url,
    )
    outbox = Outbox()
    assert mail(database, outbox, NOON + LEASE - timedelta(seconds=1)) == 0
    assert mail(database, outbox, NOON + LEASE) == 1


def test_an_alert_is_announced_once_a_month_to_the_channels_that_get_it(database):
    caller = used(database, 30_000)
    books, other = channel(database, caller), channel(database, caller, ["print.ended"])
    alert(database, caller, 1, email=None)
    at_once(4, lambda: delivery(database).announce(NOON) and None)
    (kind, data) = announced(database, books)[0]
    assert (kind, data["calls"], data["micro_dollars"]) == ("spend.reached", 30_000, 10_000_000)
    assert len(announced(database, books)) == 1 and announced(database, other) == []


def test_a_mail_that_fails_does_not_announce_the_alert_again(sqlite_database):
    caller = used(sqlite_database, 30_000)
    books = channel(sqlite_database, caller)
    alert(sqlite_database, caller, 1)
    for minutes in range(3):
        mail(sqlite_database, Outbox(failing=True), NOON + timedelta(minutes=minutes))
        delivery(sqlite_database).announce(NOON + timedelta(minutes=minutes))
    assert len(announced(sqlite_database, books)) == 1


def test_an_account_that_cannot_be_priced_silences_no_other(sqlite_database):
    broken = used(sqlite_database, 30_000)
    alert(sqlite_database, broken, 1)
    alert(sqlite_database, used(sqlite_database, 30_000), 1, email="other@example.org")
    with sqlite_database.write() as session:
        session.get(Account, broken.account_id).price_book = "gone"
    outbox = Outbox()
    assert mail(sqlite_database, outbox) == 1
    assert [sent.to for sent in outbox.sent] == ["other@example.org"]


@pytest.mark.parametrize(
    ("amount", "email"),
    [(0, "a@example.org"), (1, None)],
)
def test_an_alert_that_cannot_work_is_refused(sqlite_database, amount, email):
    caller = make_caller(sqlite_database)
    with sqlite_database.write() as session, pytest.raises(NotPossible):
        add_alert(session, caller.account_id, amount, email=email)


def test_nobody_removes_anothers_alert(sqlite_database):
    mine = make_caller(sqlite_database)
    number = alert(sqlite_database, mine, 5)
    with sqlite_database.write() as session, pytest.raises(NotFound):
        remove_alert(session, mine.account_id + 1, number)
    with sqlite_database.write() as session:
        remove_alert(session, mine.account_id, number)
        assert list_alerts(session, mine.account_id) == []


def test_a_webhook_that_was_made_with_its_alert_gets_what_it_always_got(sqlite_database, monkeypatch):
    """In its form and with its signature, and no other alert."""
    caller = used(sqlite_database, 30_000)
    old = channel(sqlite_database, caller)
    with sqlite_database.write() as session:
        row = session.get(ChannelRow, old)
        row.events, row.legacy_signature, row.secret = "", True, as_secret(b"a secret of before")
        add_alert(session, caller.account_id, 1, email="boss@example.org").channel_id = old
        add_alert(session, caller.account_id, 2, email="boss@example.org")
    assert delivery(sqlite_database).announce(NOON) == 2
    with taking_posts() as posts:
        with sqlite_database.write() as session:
            session.get(ChannelRow, old).address = posts.url
        clock = ManualClock(datetime.now(UTC) + timedelta(seconds=5))
        assert NotificationDelivery(sqlite_database, clock, Outbox(), True, None).deliver_due() == 1
    ((headers, body),) = posts.got
    stamp, proof = (part.split("=")[1] for part in headers["layerwatch-signature"].split(","))
    signed = f"{stamp}.".encode() + body
    assert proof == hmac.new(b"a secret of before", signed, hashlib.sha256).hexdigest()
    event = json.loads(body)
    assert (event["event"], event["calls"], event["threshold_micro_dollars"]) == ("spend_alert", 30_000, 1)


def test_an_alert_and_the_webhook_made_with_it_go_together(sqlite_database):
    caller = used(sqlite_database, 1)
    first, second = channel(sqlite_database, caller), channel(sqlite_database, caller)
    with sqlite_database.write() as session:
        alerts = [add_alert(session, caller.account_id, 5, email=None) for _ in range(2)]
        alerts[0].channel_id, alerts[1].channel_id = first, second
        session.flush()
        remove_alert(session, caller.account_id, alerts[0].id)
        remove_channel(session, session.get(ChannelRow, second))
        assert list_alerts(session, caller.account_id) == []
        assert channels_of(session, caller.account_id) == []
