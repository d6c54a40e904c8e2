"""Events on their way to an account's channels: subscribed, signed, tried again, sent once more."""

import base64
import hashlib
import hmac
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from layerwatch.notify import (
    AccountEvent,
    DeliveryFailed,
    EventKind,
    NotificationDelivery,
    Webhooks,
    announce,
)
from layerwatch.notify.channels import (
    MAX_CHANNELS,
    SECRET_OVERLAP,
    ChannelKind,
    add_channel,
    find_channel,
    replace_secret,
    resend,
    send_test,
)
from layerwatch.notify.delivery import KEPT, LEASE, RETRIES
from layerwatch.notify.errors import NotFound, NotPossible
from layerwatch.notify.mail import MailError
from layerwatch.notify.outbox import LOG_LENGTH
from layerwatch.notify.repository import log_of
from layerwatch.notify.signature import signature_headers
from tests.support.accounts import NOON, make_caller
from tests.support.at_once import at_once
from tests.support.clocks import ManualClock
from tests.support.killed import killed
from tests.support.posts import taking_posts
from tests.support.receivers import drip, receiving

A_SECOND = timedelta(seconds=1)


class Outbox:
    def __init__(self, failing=False):
        self.sent, self.failing = [], failing

    def send(self, mail):
        if self.failing:
            raise MailError("no server")
        self.sent.append(mail)


class Notified:
    """One account with channels, and the node that delivers to them."""

    def __init__(self, database, *, private=True, may_mail=lambda *_: True):
        self.database, self.outbox = database, Outbox()
        self.account = make_caller(database).account_id
        self.clock = ManualClock(datetime.now(UTC) + timedelta(seconds=5))  # events are due in real time
        self.delivery = NotificationDelivery(database, self.clock, self.outbox, private, may_mail)

    def channel(self, address, kind=ChannelKind.WEBHOOK, events=("print.warning",)):
        with self.database.write() as session:
            return add_channel(
                session,
                self.account,
                kind=kind,
                name="Workshop",
                address=address,
                events=events,
                now=self.clock.now(),
                private=True,
            ).id

    def announce(self, kind=EventKind.WARNING, **fields):
        with self.database.write() as session:
            event = AccountEvent(
                kind, self.account, self.clock.now(), "A title", "A text", {"quality": 2}, **fields
            )
            return announce(session, event)

    def log(self, channel):
        with self.database.read() as session:
            found = log_of(session, channel, 1000)
            session.expunge_all()
            return found

    def secret(self, channel):
        with self.database.read() as session:
            return find_channel(session, self.account, channel).secret


@pytest.fixture
def notified(database):
    return Notified(database)


@pytest.fixture
def posts():
    with taking_posts() as started:
        yield started


def test_the_signature_is_that_of_the_published_example():
    """The example of the Standard Webhooks libraries."""
    headers = signature_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_webhook_gets_the_event_signed(notified, posts):
    channel = notified.channel(posts.url)
    assert notified.announce() == 1
    assert notified.delivery.deliver_due() == 1
    ((headers, body),) = posts.got
    sent = json.loads(body)
    assert (sent["type"], sent["data"]) == ("print.warning", {"quality": 2})
    key = base64.b64decode(notified.secret(channel).removeprefix("whsec_"))
    assert len(key) == 32
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    proof = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{proof}"
    assert int(headers["webhook-timestamp"]) == int(notified.clock.now().timestamp())
    (entry,) = notified.log(channel)
    assert (entry.status, entry.error, entry.attempts, entry.due_at) == (204, None, 1, None)
    assert notified.delivery.deliver_due() == 0


def test_only_subscribed_channels_that_are_not_paused_get_an_event(notified, posts):
    ended = notified.channel(posts.url, events=["print.ended"])
    paused = notified.channel(posts.url)
    with notified.database.write() as session:
        find_channel(session, notified.account, paused).paused_at = notified.clock.now()
    assert notified.announce() == 0
    assert notified.announce(EventKind.ENDED) == 1
    assert [one.event for one in notified.log(ended)] == ["print.ended"] and notified.log(paused) == []


def test_an_event_is_sent_once_under_its_id(notified, posts):
    channel = notified.channel(posts.url)
    for _ in range(3):
        notified.announce(id="msg_same")
    assert len(notified.log(channel)) == 1


def test_a_failing_receiver_is_tried_later_and_later_and_then_given_up(notified, posts):
    channel = notified.channel(posts.url)
    posts.status = 500
    notified.announce()
    assert notified.delivery.deliver_due() == 0
    for wait in RETRIES:
        notified.clock.advance((wait - A_SECOND).total_seconds())
        notified.delivery.deliver_due()
        before = len(posts.got)
        notified.clock.advance(2)
        notified.delivery.deliver_due()
        assert len(posts.got) == before + 1, f"after {wait}"
    (entry,) = notified.log(channel)
    assert (entry.status, entry.due_at, entry.attempts) == (500, None, 1 + len(RETRIES))
    assert "500" in entry.error
    ids = {headers["webhook-id"] for headers, _ in posts.got}
    assert len(ids) == 1, "the receiver recognises a repeat"


def test_what_failed_is_sent_once_more_on_request(notified, posts):
    channel = notified.channel(posts.url)
    posts.status = 410
    notified.announce()
    notified.delivery.deliver_due()
    posts.status = 200
    (entry,) = notified.log(channel)
    with notified.database.write() as session:
        resend(session, notified.account, entry.id, notified.clock.now())
    assert notified.delivery.deliver_due() == 1
    (entry,) = notified.log(channel)
    assert (entry.status, entry.attempts) == (200, 1)


def test_nodes_that_look_at_once_send_once(notified, posts):
    notified.channel(posts.url)
    notified.announce()
    at_once(6, lambda: notified.delivery.deliver_due() and None)
    assert len(posts.got) == 1


def test_an_attempt_that_was_lost_with_its_process_is_made_again_when_the_lease_is_over(
    notified, posts, database_url
):
    notified.channel(posts.url)
    notified.announce()
    killed(
        """
from datetime import UTC, datetime
from layerwatch.notify import NotificationDelivery, Webhooks
from layerwatch.storage import Database
from layerwatch.core.clock import SystemClock
Webhooks.post = die
NotificationDelivery(Database(sys.argv[1]), SystemClock(), None, True, None).deliver_due()
""",
        database_url,
    )
    assert notified.delivery.deliver_due() == 0 and posts.got == []
    notified.clock.advance(LEASE.total_seconds() + 60)
    assert notified.delivery.deliver_due() == 1


def test_a_receiver_that_drips_holds_up_no_other(sqlite_database, posts, monkeypatch):
    monkeypatch.setattr("layerwatch.core.outgoing.DEADLINE_S", 3.0)
    notified = Notified(sqlite_database)
    with receiving(drip) as slow:
        for _ in range(4):
            notified.channel(slow.url)
        notified.channel(posts.url)
        notified.announce()
        run = threading.Thread(target=notified.delivery.deliver_due)
        run.start()
        assert posts.arrived.wait(2.5), "it waited for the others"
        run.join(20)
        assert not run.is_alive() and slow.calls == 4


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0"]
)
def test_a_webhook_does_not_reach_into_our_network(posts, host):
    with pytest.raises(DeliveryFailed, match="not public"):
        Webhooks().post(f"http://{host}:{posts.port}/hook", {}, b"{}")
    assert posts.got == []


def test_a_replaced_secret_signs_as_well_for_a_day(notified, posts):
    channel = notified.channel(posts.url)
    old = notified.secret(channel)
    with notified.database.write() as session:
        new = replace_secret(find_channel(session, notified.account, channel), notified.clock.now())
    assert new != old
    for expected in (2, 1):
        notified.announce()
        notified.delivery.deliver_due()
        assert len(posts.got[-1][0]["webhook-signature"].split()) == expected
        notified.clock.advance(SECRET_OVERLAP.total_seconds())


def test_mail_goes_to_those_who_may_get_it_and_is_tried_again(sqlite_database):
    allowed = []
    notified = Notified(sqlite_database, may_mail=lambda _, account, address: address in allowed)
    channel = notified.channel("ann@example.org", ChannelKind.MAIL)
    notified.announce()
    notified.delivery.deliver_due()
    assert notified.outbox.sent == [] and "not that of a member" in notified.log(channel)[0].error
    allowed.append("ann@example.org")
    notified.clock.advance(RETRIES[0].total_seconds())
    notified.delivery.deliver_due()
    assert [(mail.to, mail.subject) for mail in notified.outbox.sent] == [("ann@example.org", "A title")]


def test_a_test_goes_to_its_channel_only_and_not_without_end(notified, posts):
    channel, other = notified.channel(posts.url), notified.channel(posts.url)
    with notified.database.write() as session:
        row = find_channel(session, notified.account, channel)
        for _ in range(5):
            send_test(session, row, notified.clock.now())
        with pytest.raises(NotPossible, match="waiting"):
            send_test(session, row, notified.clock.now())
    assert {one.event for one in notified.log(channel)} == {"test"} and notified.log(other) == []


def test_the_log_is_capped_and_expires(sqlite_database, monkeypatch):
    monkeypatch.setattr("layerwatch.notify.outbox.LOG_LENGTH", 5)
    assert LOG_LENGTH == 500
    notified = Notified(sqlite_database)
    channel = notified.channel("https://example.org")
    for _ in range(8):
        notified.announce()
    assert len(notified.log(channel)) == 5
    notified.clock.advance(KEPT.total_seconds() + 60)
    notified.delivery.delete_old()
    assert notified.log(channel) == []


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        (ChannelKind.WEBHOOK, "file:///etc/passwd"),
        (ChannelKind.WEBHOOK, "https://user:password@example.org"),
        (ChannelKind.WEBHOOK, "https://exa mple.org"),
        (ChannelKind.WEBHOOK, "https://example.org:99999"),
        (ChannelKind.WEBHOOK, ""),
        (ChannelKind.APPRISE, "nonsense://x"),
        (ChannelKind.APPRISE, "syslog://"),
        (ChannelKind.APPRISE, "json://127.0.0.1/x"),
        (ChannelKind.APPRISE, "ntfy://127.0.0.1/topic"),
        (ChannelKind.APPRISE, "slack://TokenA/TokenB/TokenC?template=/etc/passwd"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(sqlite_database, kind, address):
    if kind is ChannelKind.APPRISE:
        pytest.importorskip("apprise")
    account = make_caller(sqlite_database).account_id
    with sqlite_database.write() as session, pytest.raises(NotPossible) as refused:
        add_channel(
            session,
            account,
            kind=kind,
            name="x",
            address=address,
            events=["print.ended"],
            now=NOON,
            private=False,
        )
    assert refused.value.field == "address"


def test_apprise_carries_the_event(sqlite_database, posts):
    pytest.importorskip("apprise")
    notified = Notified(sqlite_database)
    channel = notified.channel(posts.url.replace("http://", "json://"), ChannelKind.APPRISE)
    notified.announce()
    assert notified.delivery.deliver_due() == 1
    sent = json.loads(posts.got[0][1])
    assert (sent["title"], sent["message"], sent["type"]) == ("A title", "A text", "warning")
    assert notified.log(channel)[0].error is None


@pytest.mark.parametrize(
    ("address", "host", "path"),
    [
        ("ntfy://my-prints", "https://ntfy.sh", "/"),
        (
            "tgram://123456789:abcdefg_hijklmnop-qrstuvwxyz/987654",
            "https://api.telegram.org",
            "/bot123456789:abcdefg_hijklmnop-qrstuvwxyz/sendMessage",
        ),
        (
            "discord://1234567890/abcdefghijklmnop",
            "https://discord.com",
            "/api/webhooks/1234567890/abcdefghijklmnop",
        ),
    ],
)
def test_apprise_reaches_messengers(sqlite_database, posts, monkeypatch, address, host, path):
    pytest.importorskip("apprise")
    adapters = pytest.importorskip("requests").adapters
    send, asked = adapters.HTTPAdapter.send, []

    def redirected(self, request, **options):
        asked.append(request.url)
        request.url = posts.url
        return send(self, request, **options)

    monkeypatch.setattr(adapters.HTTPAdapter, "send", redirected)
    posts.status = 200
    notified = Notified(sqlite_database)
    channel = notified.channel(address, ChannelKind.APPRISE)
    notified.announce()
    assert notified.delivery.deliver_due() == 1
    assert [url.partition("?")[0] for url in asked] == [host + path]
    assert b"A text" in posts.got[0][1]
    assert notified.log(channel)[0].error is None


def test_channels_are_bounded_and_no_one_elses(sqlite_database):
    notified = Notified(sqlite_database)
    ids = [notified.channel("https://example.org") for _ in range(MAX_CHANNELS)]
    with pytest.raises(NotPossible, match="at most"):
        notified.channel("https://example.org")
    with sqlite_database.read() as session, pytest.raises(NotFound):
        find_channel(session, notified.account + 1, ids[0])
