"""Who may do what in an account, also when two change it at the same moment."""

import threading

import pytest

from layerwatch.identity import BadInput, NotAllowed, create_account, repository
from layerwatch.identity.roles import Role, members_of, need_owner, set_role
from tests.support.accounts import NOON

ROUNDS = 20


def account_with(database, *roles):
    """A new account and its members' numbers, one for each role."""
    with database.write() as session:
        account = create_account(session, "Acme", NOON).id
        people = [
            repository.new_user(session, f"{account}.{number}@example.org", NOON, password=None).id
            for number in range(len(roles))
        ]
        for person, role in zip(people, roles, strict=True):
            set_role(session, account, person, role)
    return account, people


def at_the_same_moment(*work):
    """Run each in a thread; all begin together. The names of the errors that ended some."""
    barrier, errors = threading.Barrier(len(work)), []

    def run(one):
        barrier.wait()
        try:
            one()
        except (BadInput, NotAllowed) as error:
            errors.append(type(error).__name__)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def owners_of(database, account):
    with database.read() as session:
        return [user.id for user, role in members_of(session, account) if role is Role.OWNER]


@pytest.mark.parametrize("role", [None, Role.MEMBER])
def test_owners_removed_at_the_same_moment_leave_one(database, role):
    for _ in range(ROUNDS):
        account, people = account_with(database, Role.OWNER, Role.OWNER)

        def remove(person, account=account):
            with database.write() as session:
                set_role(session, account, person, role)

        errors = at_the_same_moment(*(lambda person=person: remove(person) for person in people))
        assert errors == ["BadInput"]
        assert len(owners_of(database, account)) == 1


def test_owners_who_remove_each_other_at_the_same_moment(database):
    """The second is no owner any more when their change comes to its turn."""
    for _ in range(ROUNDS):
        account, (ann, bob, _) = account_with(database, Role.OWNER, Role.OWNER, Role.OWNER)

        def remove(by, person, account=account):
            with database.write() as session:
                need_owner(session, account, by)
                set_role(session, account, person, None)

        errors = at_the_same_moment(lambda: remove(ann, bob), lambda: remove(bob, ann))  # noqa: B023
        assert errors == ["NotAllowed"]
        assert len(owners_of(database, account)) == 2


def test_the_last_owner_can_be_neither_removed_nor_lowered(sqlite_database):
    account, (owner, _) = account_with(sqlite_database, Role.OWNER, Role.MEMBER)
    for role in (None, Role.MEMBER, Role.READ_ONLY):
        with pytest.raises(BadInput, match="needs an owner"), sqlite_database.write() as session:
            set_role(session, account, owner, role)
