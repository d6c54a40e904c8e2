"""Which calls come too soon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerwatch.contexts import TooSoon, pacing_check

LAST = datetime(2030, 1, 1, tzinfo=UTC)


def is_early(interval: float, passed: float) -> bool:
    try:
        at = LAST + timedelta(seconds=passed)
        pacing_check.check(LAST, interval, at, at)
    except TooSoon:
        return True
    return False


@pytest.mark.parametrize(
    ("interval", "passed", "early"),
    [
        (40, 0, True),
        (40, 35.9, True),
        (40, 36.0, False),  # 10 % of 40 s
        (40, 40, False),
        (20, 17.9, True),
        (20, 18.0, False),  # 10 % and 2 s are the same
        (10, 7.9, True),
        (10, 8.0, False),  # 2 s is more than 10 %
        (40, -4, True),  # two nodes' clocks
        (40, -3600, False),  # the clock was set back
    ],
)
def test_jitter_is_a_tenth_or_two_seconds(interval: float, passed: float, early: bool) -> None:
    assert is_early(interval, passed) is early


def test_a_slow_upload_that_another_call_overtook_is_early_and_no_sign_of_a_clock_set_back() -> None:
    came, now = LAST - timedelta(seconds=50), LAST + timedelta(seconds=1)
    with pytest.raises(TooSoon) as refused:
        pacing_check.check(LAST, 40, came, now)
    assert refused.value.retry_after == 40


@given(st.floats(20, 600), st.floats(-4, 600))
def test_waiting_for_the_interval_is_never_too_early(interval: float, passed: float) -> None:
    try:
        at = LAST + timedelta(seconds=passed)
        pacing_check.check(LAST, interval, at, at)
    except TooSoon as refused:
        assert 1 <= refused.retry_after <= interval + 1
        assert not is_early(interval, max(0, passed) + refused.retry_after)
