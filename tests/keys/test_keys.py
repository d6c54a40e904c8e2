"""Making, finding and disabling keys."""

import pytest

from layerwatch.identity import BadInput, NotFound, create_account
from layerwatch.identity.service import find_account, local_account
from layerwatch.keys import create_key, disable_key, find_key, list_keys
from layerwatch.keys.service import MAX_KEYS_PER_ACCOUNT
from tests.support.accounts import NOON, PEPPER, make_key
from tests.support.at_once import at_once


def test_an_owner_sees_prefix_and_last_four_but_never_the_key(database):
    text, account, _ = make_key(database)
    with database.read() as session:
        (row,) = list_keys(session, account)
        assert text.startswith(row.prefix) and text.endswith(row.last_four)
        assert text not in repr(vars(row))


def test_disabling_is_for_ever(database):
    _, account, key = make_key(database)
    with database.write() as session:
        first = disable_key(session, account, key, NOON).disabled_at
    with database.write() as session:
        again = disable_key(session, account, key, NOON.replace(hour=20)).disabled_at
    assert first == again == NOON


def test_nobody_disables_another_accounts_key(sqlite_database):
    _, _, key = make_key(sqlite_database)
    _, stranger, _ = make_key(sqlite_database)
    with pytest.raises(NotFound), sqlite_database.write() as session:
        disable_key(session, stranger, key, NOON)


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "x" * 121}, {"dialect": 3}, {"addresses": ["192.0.2.0/33"]}]
)
def test_a_key_that_cannot_be_made_is_refused_with_a_reason(sqlite_database, wrong):
    with sqlite_database.write() as session:
        account = create_account(session, "Acme", NOON).id
        with pytest.raises(BadInput):
            create_key(session, account, **({"name": "farm", "pepper": PEPPER, "now": NOON} | wrong))


def test_a_key_is_found_by_number_name_or_last_four(sqlite_database):
    text, account, key = make_key(sqlite_database)
    with sqlite_database.read() as session:
        assert {find_key(session, account, which).id for which in (str(key), "printer farm", text[-4:])} == {
            key
        }
        with pytest.raises(NotFound):
            find_key(session, account, "nothing")


def test_a_name_that_fits_several_keys_is_not_guessed(sqlite_database):
    _, account, _ = make_key(sqlite_database)
    make_key(sqlite_database, account=account)
    with sqlite_database.read() as session, pytest.raises(BadInput):
        find_key(session, account, "printer farm")


def test_the_local_account_is_made_once_and_free(database):
    with database.write() as session:
        first = local_account(session, NOON).id
    with database.write() as session:
        again = local_account(session, NOON)
    assert again.id == first and again.price_book == "local" and not again.free_only


def test_an_account_is_found_by_number_or_name(sqlite_database):
    with sqlite_database.write() as session:
        one = create_account(session, "Acme", NOON)
        assert find_account(session, str(one.id)) is one
        assert find_account(session, "Acme") is one
        with pytest.raises(NotFound):
            find_account(session, "Ajax")
        create_account(session, "Acme", NOON)
        with pytest.raises(BadInput):
            find_account(session, "Acme")


def test_the_number_of_keys_is_bounded_also_when_they_are_made_at_once(database):
    with database.write() as session:
        account = create_account(session, "Acme", NOON).id
        for number in range(MAX_KEYS_PER_ACCOUNT - 2):
            create_key(session, account, name=f"key {number}", pepper=PEPPER, now=NOON)
    refused = []

    def make():
        try:
            with database.write() as session:
                create_key(session, account, name="one more", pepper=PEPPER, now=NOON)
        except BadInput:
            refused.append(1)

    at_once(6, make)
    assert len(refused) == 4
