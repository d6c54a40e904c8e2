"""Limits on guessing: they stop who guesses, not whom they guess at."""

from datetime import timedelta

import pytest

from layerwatch.identity import RateLimited, devices, mail_limits, rate_limit, repository, users
from layerwatch.identity.models import User
from layerwatch.identity.users import Visitor
from tests.support.accounts import NOON
from tests.support.at_once import at_once

KEY = b"k" * 32
ANN = "ann@example.org"


def test_no_try_slips_past_the_limit_also_when_many_come_at_once(database):
    outcomes = []

    def guess():
        try:
            database.transact(rate_limit.take, "user ann@example.org", 5, NOON)
            outcomes.append("taken")
        except RateLimited:
            outcomes.append("refused")

    at_once(16, guess)
    assert sorted(outcomes) == ["refused"] * 11 + ["taken"] * 5


def test_who_waits_may_try_again_and_the_message_says_how_long(sqlite_database):
    def take(at):
        sqlite_database.transact(rate_limit.take, "a", 1, at)

    take(NOON)
    with pytest.raises(RateLimited, match="Wait 10 min") as refused:
        take(NOON + timedelta(minutes=5))
    assert refused.value.retry_after == 601
    take(NOON + timedelta(minutes=15))


def test_a_window_of_a_day_is_counted_beside_short_ones(sqlite_database):
    """Short windows are deleted along the way; a day's count stays for the day."""
    day = timedelta(days=1)
    begin = NOON.replace(hour=0)

    def take(at, window):
        sqlite_database.transact(rate_limit.take, "a", 2, at, window=window)

    take(begin, day)
    for quarter in range(96):
        take(begin + quarter * rate_limit.WINDOW, rate_limit.WINDOW)
    take(begin + timedelta(hours=23, minutes=59), day)
    with pytest.raises(RateLimited):
        take(begin + timedelta(hours=23, minutes=59), day)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_customer_is_counted_by_their_network(address, network):
    assert rate_limit.network(address) == network


@pytest.fixture
def ann(sqlite_database):
    """Ann's user, and a browser that she signed in with before."""
    with sqlite_database.write() as session:
        user = repository.new_user(session, ANN, NOON, password="hash")
        cookie = {devices.cookie_name(user.id): devices.new_cookie(user, KEY, NOON)}
    return user.id, Visitor("192.0.2.1", "", cookie)


def guess(database, visitor, times=1, email=ANN):
    """Try to sign in; how many tries were not refused for their number."""
    for tried in range(times):
        try:
            database.transact(users.look_up, email, visitor, KEY, NOON)
        except RateLimited:
            return tried
    return times


def test_guesses_from_one_network_lock_out_that_network_alone(sqlite_database, ann):
    assert guess(sqlite_database, Visitor("203.0.113.9", ""), 50) == rate_limit.PER_USER
    assert guess(sqlite_database, Visitor("192.0.2.1", "")) == 1


def test_one_network_cannot_try_many_users(sqlite_database):
    tried = sum(guess(sqlite_database, Visitor("203.0.113.9", ""), email=f"{n}@x.org") for n in range(100))
    assert tried == rate_limit.PER_NETWORK


def test_guesses_from_many_networks_are_bounded_together(sqlite_database, ann):
    tried = sum(guess(sqlite_database, Visitor(f"203.0.113.{n}", ""), 5) for n in range(60))
    assert tried == rate_limit.PER_USER_ANYWHERE


def test_a_known_browser_is_not_limited_by_other_guesses(sqlite_database, ann):
    _, known = ann
    for number in range(60):
        guess(sqlite_database, Visitor(f"203.0.113.{number}", ""), 5)
    guess(sqlite_database, Visitor(known.address, ""), 50)
    assert guess(sqlite_database, known) == 1


def test_a_known_browser_has_a_limit_too(sqlite_database, ann):
    assert guess(sqlite_database, ann[1], 50) == rate_limit.PER_USER


def test_a_known_browser_is_known_for_its_own_user_only(sqlite_database, ann):
    with sqlite_database.write() as session:
        bob = repository.new_user(session, "bob@example.org", NOON, password="hash")
    stolen = {devices.cookie_name(bob.id): next(iter(ann[1].cookies.values()))}
    assert devices.known_device(stolen, bob, KEY, NOON) is None
    assert devices.known_device(ann[1].cookies, bob, KEY, NOON) is None


def test_a_device_cookie_cannot_be_made_up_and_ends(sqlite_database, ann):
    user_id, known = ann
    with sqlite_database.write() as session:
        user = session.get_one(User, user_id)
    ((name, value),) = known.cookies.items()
    assert devices.known_device(known.cookies, user, KEY, NOON)
    assert devices.known_device(known.cookies, user, b"x" * 32, NOON) is None
    assert devices.known_device(known.cookies, user, KEY, NOON + devices.LIFETIME + timedelta(days=1)) is None
    for made_up in ("", ".", "..", "1.x.", value[:-1], value + "0", "9" + value, "é" * 20, "x" * 10_000):
        assert devices.known_device({name: made_up}, user, KEY, NOON) is None
    user.password = "another hash"
    assert devices.known_device(known.cookies, user, KEY, NOON) is None, "a new password ends it"


def test_guessing_codes_does_not_lock_out_a_known_browser(sqlite_database, ann):
    user_id, known = ann

    def guess_code(visitor):
        def take(session):
            users.guard_second_step(session, session.get_one(User, user_id), visitor, KEY, NOON)

        sqlite_database.transact(take)

    with pytest.raises(RateLimited):
        for number in range(50):
            guess_code(Visitor(f"203.0.113.{number}", ""))
    guess_code(known)


def test_mails_to_one_address_are_limited_by_hour_and_day(sqlite_database):
    taken = []
    for minutes in range(0, 24 * 60, 10):
        at = NOON.replace(hour=0) + timedelta(minutes=minutes)
        try:
            sqlite_database.transact(mail_limits.take, " Ann@Example.org", at)
            taken.append(at.hour)
        except RateLimited:
            pass
    assert taken == [0] * 5 + [1] * 5 + [2] * 5
    assert (mail_limits.PER_RECIPIENT_HOUR, mail_limits.PER_RECIPIENT_DAY) == (5, 15)
