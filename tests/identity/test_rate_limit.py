"""Limits on guessing."""

from datetime import timedelta

import pytest

from layerwatch.identity import SignInRefused, rate_limit
from tests.support.accounts import NOON
from tests.support.at_once import at_once


def test_no_try_slips_past_the_limit_also_when_many_come_at_once(database):
    outcomes = []

    def guess():
        try:
            database.transact(lambda session: rate_limit.take(session, "user ann@example.org", 5, NOON))
            outcomes.append("taken")
        except SignInRefused:
            outcomes.append("refused")

    at_once(16, guess)
    assert sorted(outcomes) == ["refused"] * 11 + ["taken"] * 5


def test_who_waits_may_try_again_and_the_message_says_how_long(sqlite_database):
    def take(at):
        sqlite_database.transact(lambda session: rate_limit.take(session, "a", 1, at))

    take(NOON)
    with pytest.raises(SignInRefused, match="Wait 10 min") as refused:
        take(NOON + timedelta(minutes=5))
    assert refused.value.retry_after == 601
    take(NOON + timedelta(minutes=15))
