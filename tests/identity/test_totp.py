"""One-time codes."""

import pyotp

from layerwatch.identity import SignInRefused, repository, totp, users
from layerwatch.identity.users import Visitor
from tests.support.accounts import NOON
from tests.support.at_once import at_once

KEY = b"k" * 32


def test_a_code_opens_one_session_also_when_it_comes_twice_at_once(database):
    with database.write() as session:
        user = repository.new_user(session, "ann@example.org", NOON, password=None)
        totp.prepare(session, user)
        secret = totp.secret_of(user, KEY)
        user.totp_since = NOON
        user_id = user.id
    code = pyotp.TOTP(secret).at(NOON)
    outcomes = []

    def enter():
        try:
            database.transact(users.second_step, user_id, code, KEY, Visitor("", ""), NOON)
            outcomes.append("in")
        except SignInRefused:
            outcomes.append("refused")

    at_once(6, enter)
    assert sorted(outcomes) == ["in"] + ["refused"] * 5
