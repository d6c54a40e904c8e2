"""An API key's text."""

import string

import pytest

from layerwatch.keys.key_format import ALPHABET, RANDOM_CHARACTERS, digest, is_well_formed, new_key_text


@pytest.mark.parametrize(("test", "prefix"), [(False, "prod_"), (True, "test_")])
def test_a_key_tells_what_it_is(test, prefix):
    assert new_key_text(test=test).startswith(prefix)


def test_a_key_holds_at_least_160_random_bits():
    assert len(ALPHABET) ** RANDOM_CHARACTERS >= 2**160
    assert len({new_key_text() for _ in range(1000)}) == 1000


def test_a_key_is_letters_digits_and_one_underscore():
    assert set(new_key_text().removeprefix("prod_")) <= set(string.ascii_letters + string.digits)


def test_every_mistyped_character_is_noticed():
    text = new_key_text()
    for place in range(len(text)):
        wrong = "x" if text[place] != "x" else "y"
        assert not is_well_formed(text[:place] + wrong + text[place + 1 :])


@pytest.mark.parametrize("text", ["", "prod_", "prod_" + "0" * 36, "prod_" + "é" * 36, "x" * 100_000])
def test_what_is_no_key_is_not_well_formed(text):
    assert not is_well_formed(text)


def test_the_stored_hash_depends_on_the_installations_secret():
    text = new_key_text()
    assert digest(text, b"one" * 8) != digest(text, b"two" * 8)
    assert len(digest(text, b"one" * 8)) == 32
