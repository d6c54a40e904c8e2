"""From a key's text to its caller."""

import hmac
import logging
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select

from layerwatch.identity.models import Account
from layerwatch.keys import (
    AddressNotAllowed,
    InvalidKey,
    KeyAuthenticator,
    KeyDisabled,
    KeyUnavailable,
    disable_key,
)
from layerwatch.keys.authenticator import CACHE_LIFETIME, DATABASE_RETRY_DELAY, OUTAGE_GRACE
from layerwatch.keys.key_format import new_key_text
from layerwatch.keys.models import ApiKey
from layerwatch.storage import StorageUnavailable
from tests.support.accounts import NOON, PEPPER, make_key


class Outage:
    """A database that can be switched off, and counts how often it is asked."""

    def __init__(self, database):
        self._database = database
        self.down = False
        self.asked = 0

    @contextmanager
    def lookups(self):
        self.asked += 1
        if self.down:
            raise StorageUnavailable("switched off")
        with self._database.lookups() as connection:
            yield connection


def test_a_key_leads_to_its_account(database):
    text, account, key = make_key(database, dialect=2)
    caller = KeyAuthenticator(database, PEPPER).authenticate(text, NOON)
    assert (caller.account_id, caller.key_id, caller.dialect, caller.test) == (account, key, 2, False)
    assert text.startswith(caller.prefix) and len(caller.prefix) < 10


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        "prod_" + "A" * 36,
        pytest.param(new_key_text(), id="of no account"),
        "prod_\udcff",
    ],
)
def test_a_missing_mistyped_or_unknown_key_is_invalid(sqlite_database, text):
    with pytest.raises(InvalidKey):
        KeyAuthenticator(sqlite_database, PEPPER).authenticate(text, NOON)


def test_a_key_made_under_another_secret_is_unknown(sqlite_database):
    text, _, _ = make_key(sqlite_database)
    with pytest.raises(InvalidKey):
        KeyAuthenticator(sqlite_database, b"another secret of 16+ bytes").authenticate(text, NOON)


def test_the_text_of_a_key_is_not_in_the_database(sqlite_database, tmp_path):
    text, _, _ = make_key(sqlite_database)
    sqlite_database.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert text.encode() not in stored
    assert text[5:35].encode() not in stored


def test_disabling_reaches_other_nodes_within_five_seconds(database):
    text, account, key = make_key(database)
    other_node = KeyAuthenticator(database, PEPPER)
    other_node.authenticate(text, NOON)
    with database.write() as session:
        disable_key(session, account, key, NOON)
    with pytest.raises(KeyDisabled):
        other_node.authenticate(text, NOON + timedelta(seconds=5))


def test_a_payment_block_comes_and_goes_within_five_seconds(sqlite_database):
    text, account, _ = make_key(sqlite_database)
    node = KeyAuthenticator(sqlite_database, PEPPER)
    now = NOON
    for blocked in (False, True, False):
        with sqlite_database.write() as session:
            session.get(Account, account).blocked_from = now if blocked else None
        now += timedelta(seconds=5)
        assert node.authenticate(text, now).blocked_payment is blocked


def test_a_key_is_read_again_only_after_a_while(sqlite_database):
    text, _, _ = make_key(sqlite_database)
    database = Outage(sqlite_database)
    node = KeyAuthenticator(database, PEPPER)
    for _ in range(100):
        node.authenticate(text, NOON)
    assert database.asked == 1
    node.authenticate(text, NOON + CACHE_LIFETIME + timedelta(microseconds=1))
    assert database.asked == 2


def test_a_key_already_seen_outlives_an_outage_for_a_bounded_time(sqlite_database):
    text, _, _ = make_key(sqlite_database)
    database = Outage(sqlite_database)
    node = KeyAuthenticator(database, PEPPER)
    node.authenticate(text, NOON)
    database.down = True
    node.authenticate(text, NOON + OUTAGE_GRACE)
    with pytest.raises(KeyUnavailable):
        node.authenticate(text, NOON + OUTAGE_GRACE + timedelta(seconds=1))


def test_an_outage_never_makes_a_key_look_bad(sqlite_database):
    text, _account, key = make_key(sqlite_database)
    database = Outage(sqlite_database)
    node = KeyAuthenticator(database, PEPPER)
    database.down = True
    with pytest.raises(KeyUnavailable):
        node.authenticate(text, NOON)
    database.down = False
    assert node.authenticate(text, NOON + DATABASE_RETRY_DELAY + timedelta(seconds=1)).key_id == key


def test_a_key_seen_disabled_stays_disabled_during_an_outage(sqlite_database):
    text, account, key = make_key(sqlite_database)
    with sqlite_database.write() as session:
        disable_key(session, account, key, NOON)
    database = Outage(sqlite_database)
    node = KeyAuthenticator(database, PEPPER)
    with pytest.raises(KeyDisabled):
        node.authenticate(text, NOON)
    database.down = True
    with pytest.raises(KeyDisabled):
        node.authenticate(text, NOON + timedelta(minutes=5))


def test_during_an_outage_calls_do_not_each_wait_for_the_database(sqlite_database):
    text, _, _ = make_key(sqlite_database)
    database = Outage(sqlite_database)
    node = KeyAuthenticator(database, PEPPER)
    node.authenticate(text, NOON)
    database.down = True
    later = NOON + timedelta(minutes=1)
    for _ in range(50):
        node.authenticate(text, later)
    assert database.asked == 2


def test_a_clock_set_back_only_means_reading_again(sqlite_database):
    text, _, _ = make_key(sqlite_database)
    database = Outage(sqlite_database)
    node = KeyAuthenticator(database, PEPPER)
    node.authenticate(text, NOON)
    node.authenticate(text, NOON - timedelta(days=1))
    assert database.asked == 2


@pytest.mark.parametrize(
    ("addresses", "ip", "allowed"),
    [
        ((), "203.0.113.9", True),
        ((), None, True),
        (("192.0.2.0/24",), "192.0.2.77", True),
        (("192.0.2.0/24",), "192.0.3.77", False),
        (("192.0.2.0/24",), "::ffff:192.0.2.77", True),
        (("2001:db8::/32", "10.0.0.1"), "2001:db8::5", True),
        (("2001:db8::/32", "10.0.0.1"), "10.0.0.1", True),
        (("2001:db8::/32", "10.0.0.1"), "10.0.0.2", False),
        (("192.0.2.0/24",), None, False),
        (("192.0.2.0/24",), "not an address", False),
    ],
)
def test_a_key_works_only_from_its_addresses(sqlite_database, addresses, ip, allowed):
    text, _, _ = make_key(sqlite_database, addresses=addresses)
    node = KeyAuthenticator(sqlite_database, PEPPER)
    if allowed:
        node.authenticate(text, NOON, ip)
        assert node.cached(text, NOON, ip) is not None
    else:
        with pytest.raises(AddressNotAllowed):
            node.authenticate(text, NOON, ip)
        assert node.cached(text, NOON, ip) is None


def test_from_memory_alone_only_a_fresh_good_key_is_known(sqlite_database):
    text, _account, _key = make_key(sqlite_database)
    node = KeyAuthenticator(sqlite_database, PEPPER)
    assert node.cached(text, NOON) is None
    caller = node.authenticate(text, NOON)
    assert node.cached(text, NOON + CACHE_LIFETIME) == caller
    assert node.cached(text, NOON + CACHE_LIFETIME + timedelta(seconds=1)) is None
    assert node.cached(new_key_text(), NOON) is None
    assert node.cached(None, NOON) is None


def test_the_comparison_is_by_keyed_hash_in_constant_time(sqlite_database, monkeypatch):
    """What is compared is 32 bytes of HMAC that the caller cannot steer, by hmac.compare_digest."""
    text, _, _ = make_key(sqlite_database)
    compared = []
    true_compare = hmac.compare_digest

    def watch(a, b):
        compared.append((a, b))
        return true_compare(a, b)

    monkeypatch.setattr("layerwatch.keys.authenticator.hmac.compare_digest", watch)
    KeyAuthenticator(sqlite_database, PEPPER).authenticate(text, NOON)
    with sqlite_database.read() as session:
        stored = session.scalars(select(ApiKey.digest)).one()
    assert (stored, stored) in compared
    assert all(text not in map(str, pair) for pair in compared)


def test_no_error_or_log_line_holds_the_key(sqlite_database, caplog):
    text, account, key = make_key(sqlite_database)
    node = KeyAuthenticator(sqlite_database, PEPPER)
    messages = []
    with caplog.at_level(logging.DEBUG):
        node.authenticate(text, NOON)
        with sqlite_database.write() as session:
            disable_key(session, account, key, NOON)
        for wrong in (text, text[:-1], text + "x"):
            try:
                node.authenticate(wrong, NOON + timedelta(minutes=1))
            except (InvalidKey, KeyDisabled) as refused:
                messages.append(str(refused))
    assert len(messages) == 3
    assert text[:20] not in caplog.text + "".join(messages)
