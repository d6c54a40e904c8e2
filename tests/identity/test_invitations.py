"""Invitations: nobody is a member before they accept by the mailed link."""

import re
from datetime import timedelta

import pytest

from layerwatch.identity import (
    BadInput,
    RateLimited,
    create_account,
    invitations,
    mail_limits,
    repository,
    users,
)
from layerwatch.identity.roles import Role, members_of, set_role
from layerwatch.identity.users import Visitor
from tests.support.accounts import NOON
from tests.support.at_once import at_once

HERE = Visitor("192.0.2.1", "test")


class Acme:
    """An account with an owner, in a database."""

    def __init__(self, database):
        self.database = database
        with database.write() as session:
            self.account = create_account(session, "Acme", NOON).id
        self.owner = self.user("owner@example.org", Role.OWNER)

    def user(self, email, role=None, *, verified=True):
        with self.database.write() as session:
            user = repository.new_user(session, email, NOON, password=None)
            user.verified_at = NOON if verified else None
            if role is not None:
                set_role(session, self.account, user.id, role)
            return user.id

    def invite(self, email, role=Role.MEMBER, now=NOON):
        """The secret in the mailed link."""
        with self.database.write() as session:
            mail = invitations.invite(
                session, self.account, email, role, by=self.owner, base_url="https://x.example", now=now
            )
        assert mail.to == email
        return re.search(r"https://x\.example/console/invitation\?link=(\S+)", mail.text)[1]

    def accept(self, link, user, now=NOON):
        with self.database.write() as session:
            invitations.accept(session, link, user, HERE, now)

    def members(self):
        with self.database.read() as session:
            return {user.email: role for user, role in members_of(session, self.account)}


@pytest.fixture
def acme(sqlite_database):
    return Acme(sqlite_database)


def test_inviting_makes_no_member_and_no_user(acme):
    acme.invite("ann@example.org", Role.OWNER)
    assert acme.members() == {"owner@example.org": Role.OWNER}
    with acme.database.read() as session:
        assert users.find_user(session, "ann@example.org") is None


def test_who_has_a_user_is_a_member_once_they_accept(acme):
    ann = acme.user("ann@example.org")
    link = acme.invite("ann@example.org", Role.READ_ONLY)
    assert "ann@example.org" not in acme.members()
    acme.accept(link, ann)
    assert acme.members()["ann@example.org"] is Role.READ_ONLY


def test_an_unverified_user_cannot_accept(acme):
    """They may have signed up with an address that is not theirs."""
    stranger = acme.user("ann@example.org", verified=False)
    link = acme.invite("ann@example.org", Role.OWNER)
    with pytest.raises(BadInput, match="Verify"):
        acme.accept(link, stranger)
    assert "ann@example.org" not in acme.members()


def test_an_invitation_is_good_once_also_at_the_same_moment(database):
    acme = Acme(database)
    people = [acme.user(f"{number}@example.org") for number in range(6)]
    link, waiting = acme.invite("ann@example.org"), list(people)
    outcomes = []

    def accept():
        try:
            acme.accept(link, waiting.pop())
            outcomes.append("member")
        except BadInput:
            outcomes.append("refused")

    at_once(6, accept)
    assert sorted(outcomes) == ["member"] + ["refused"] * 5
    assert len(acme.members()) == 2


def test_an_invitation_expires(acme):
    ann = acme.user("ann@example.org")
    link = acme.invite("ann@example.org")
    with pytest.raises(BadInput, match="expired"):
        acme.accept(link, ann, NOON + invitations.LIFETIME + timedelta(seconds=1))


def test_a_withdrawn_invitation_is_worth_nothing(acme):
    ann = acme.user("ann@example.org")
    link = acme.invite("ann@example.org")
    with acme.database.write() as session:
        (waiting,) = invitations.pending(session, acme.account, NOON)
        invitations.withdraw(session, acme.account, waiting.id)
    with pytest.raises(BadInput, match="withdrawn"):
        acme.accept(link, ann)


def test_a_second_invitation_replaces_the_first(acme):
    ann = acme.user("ann@example.org")
    first, second = acme.invite("ann@example.org"), acme.invite("ann@example.org", Role.OWNER)
    with pytest.raises(BadInput):
        acme.accept(first, ann)
    acme.accept(second, ann)
    assert acme.members()["ann@example.org"] is Role.OWNER


def test_a_member_cannot_be_invited_and_keeps_their_role(acme):
    ann = acme.user("ann@example.org")
    early = acme.invite("ann.home@example.org", Role.READ_ONLY)
    acme.accept(acme.invite("ann@example.org", Role.OWNER), ann)
    with pytest.raises(BadInput, match="a member already"):
        acme.invite("ann@example.org", Role.READ_ONLY)
    acme.accept(early, ann)
    assert acme.members()["ann@example.org"] is Role.OWNER


@pytest.mark.parametrize("role", [None, Role.MEMBER])
def test_invitations_of_an_owner_who_is_removed_or_lowered_end(acme, role):
    boss = acme.user("boss@example.org", Role.OWNER)
    ann = acme.user("ann@example.org")
    link = acme.invite("ann@example.org", Role.OWNER)
    with acme.database.write() as session:
        set_role(session, acme.account, acme.owner, role)
    with pytest.raises(BadInput):
        acme.accept(link, ann)
    assert boss


def test_an_account_mails_a_bounded_number_of_invitations(acme):
    with pytest.raises(RateLimited, match="Too many mails today"):
        for number in range(70):
            acme.invite(f"{number}@example.org")
    with acme.database.read() as session:
        assert len(invitations.pending(session, acme.account, NOON)) == mail_limits.PER_ACCOUNT_DAY


def test_no_one_is_invited_again_and_again(acme):
    with pytest.raises(RateLimited, match="Too many mails to this address"):
        for _ in range(20):
            acme.invite("ann@example.org")


def test_an_account_has_a_bounded_number_of_invitations_waiting(acme):
    with pytest.raises(BadInput, match="can wait"):
        for number in range(invitations.MAX_PENDING + 1):
            acme.invite(f"{number}@example.org", now=NOON + timedelta(hours=2 * number))
