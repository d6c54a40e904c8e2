"""Context ids prove themselves, and nothing else passes for one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerwatch.contexts import LIFETIME, ContextIds, ContextLost
from layerwatch.temporal import Levels

NOW = datetime(2030, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)
IDS = ContextIds(b"k" * 32)
LEVELS = st.builds(Levels, st.integers(1, 5), st.integers(1, 5))
REGIONS = st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True)


@given(st.integers(1, 2**48 - 1), LEVELS, REGIONS, st.integers(0, 10**9))
def test_what_went_in_comes_out(account: int, levels: Levels, region: str, seconds: int) -> None:
    born = NOW + timedelta(seconds=seconds)
    made = IDS.new(account, levels, born, region)
    read = IDS.read(made.id, account, born + LIFETIME / 2)
    assert (read.account_id, read.levels, read.region, read.opened_at) == (account, levels, region, born)
    assert read == made


@given(st.integers(1, 2**48 - 1))
def test_letters_and_digits_at_most_64(account: int) -> None:
    made = IDS.new(account, Levels(), NOW, "local").id
    assert made.isascii()
    assert made.isalnum()
    assert len(made) <= 64


def test_no_two_are_alike() -> None:
    assert len({IDS.new(1, Levels(), NOW, "local").id for _ in range(1000)}) == 1000


@given(st.integers(0, 59), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
def test_another_character_anywhere_makes_it_forged(place: int, character: str) -> None:
    true = IDS.new(1, Levels(), NOW, "local").id
    forged = true[:place] + character + true[place + 1 :]
    if forged != true:
        with pytest.raises(ContextLost):
            IDS.read(forged, 1, NOW)


@given(st.text() | st.from_regex("[0-9A-Za-z]{60}", fullmatch=True))
def test_no_other_text_is_one(text: str) -> None:
    with pytest.raises(ContextLost):
        IDS.read(text, 1, NOW)


def test_an_id_belongs_to_its_account() -> None:
    with pytest.raises(ContextLost, match="foreign"):
        IDS.read(IDS.new(1, Levels(), NOW, "local").id, 2, NOW)


def test_an_id_of_another_installation_is_forged() -> None:
    with pytest.raises(ContextLost, match="forged"):
        ContextIds(b"q" * 32).read(IDS.new(1, Levels(), NOW, "local").id, 1, NOW)


def test_it_lives_fourteen_days_and_not_a_moment_longer() -> None:
    made = IDS.new(1, Levels(), NOW, "local").id
    IDS.read(made, 1, NOW + timedelta(days=14) - timedelta(milliseconds=1))
    with pytest.raises(ContextLost, match="expired"):
        IDS.read(made, 1, NOW + timedelta(days=14))


@pytest.mark.parametrize("behind", [timedelta(minutes=4), timedelta(days=40)])
def test_a_node_whose_clock_is_behind_or_was_set_back_takes_it(behind: timedelta) -> None:
    """It is proven to be ours; refusing it would cost the print its state for a fault of our clock."""
    made = IDS.new(1, Levels(), NOW, "local").id
    assert IDS.read(made, 1, NOW - behind).opened_at == NOW


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ContextIds(b"short")
