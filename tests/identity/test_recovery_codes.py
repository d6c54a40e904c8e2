"""Recovery codes: the way in when the phone is lost."""

import pytest

from layerwatch.identity import SignInRefused, recovery_codes, repository, totp, users
from layerwatch.identity.models import RecoveryCode, User
from layerwatch.identity.users import Visitor
from tests.support.accounts import NOON
from tests.support.at_once import at_once

KEY = b"k" * 32
HERE = Visitor("", "")


@pytest.fixture
def ann(database):
    """A user with one-time codes on, and their recovery codes."""
    with database.write() as session:
        user = repository.new_user(session, "ann@example.org", NOON, password=None)
        totp.prepare(session, user)
        user.totp_since = NOON
        return user.id, recovery_codes.renew(session, user, KEY)


def sign_in(database, user_id, code, key=KEY):
    with database.write() as session:
        users.second_step(session, user_id, code, key, HERE, NOON)


def test_each_signs_in_once(database, ann):
    user_id, codes = ann
    assert len(set(codes)) == recovery_codes.COUNT
    for code in codes:
        sign_in(database, user_id, code)
    for code in codes:
        with pytest.raises(SignInRefused):
            sign_in(database, user_id, code)


def test_one_code_opens_one_session_also_when_it_comes_twice_at_once(database, ann):
    user_id, codes = ann
    outcomes = []

    def enter():
        try:
            sign_in(database, user_id, codes[0])
            outcomes.append("in")
        except SignInRefused:
            outcomes.append("refused")

    at_once(6, enter)
    assert sorted(outcomes) == ["in"] + ["refused"] * 5


def test_a_code_may_be_typed_with_spaces_and_capitals(database, ann):
    user_id, codes = ann
    sign_in(database, user_id, f" {codes[0].upper().replace('-', ' ')} ")


def test_new_codes_replace_the_old_ones(database, ann):
    user_id, codes = ann
    with database.write() as session:
        new = recovery_codes.renew(session, session.get_one(User, user_id), KEY)
    with pytest.raises(SignInRefused):
        sign_in(database, user_id, codes[0])
    sign_in(database, user_id, new[0])


def test_another_users_codes_open_nothing(database, ann):
    _, codes = ann
    with database.write() as session:
        bob = repository.new_user(session, "bob@example.org", NOON, password=None)
        totp.prepare(session, bob)
        bob.totp_since = NOON
        bob_id = bob.id
    with pytest.raises(SignInRefused):
        sign_in(database, bob_id, codes[0])


def test_a_copy_of_the_database_gives_no_codes(database, ann):
    user_id, codes = ann
    with database.read() as session:
        stored = [row.digest for row in session.query(RecoveryCode)]
    assert len(stored) == recovery_codes.COUNT
    assert not [code for code in codes if any(code.encode() in digest for digest in stored)]
    with pytest.raises(SignInRefused):
        sign_in(database, user_id, codes[0], b"another key" * 3)


def test_switching_codes_off_ends_them(database, ann):
    user_id, codes = ann
    with database.write() as session:
        user = session.get_one(User, user_id)
        totp.switch_off(session, user)
        assert recovery_codes.left(session, user) == 0
    with pytest.raises(SignInRefused, match="switched off"):
        sign_in(database, user_id, codes[0])
