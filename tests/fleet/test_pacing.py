"""Intervals: at rest 40 s and 20 s, longer as the load grows, suspicious prints always served first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerwatch.fleet import Bounds, Capacity, LiveLoad, Pacer
from layerwatch.fleet.load import Prints
from layerwatch.fleet.pacing import TARGET_USE, stretch

NOW = datetime(2030, 1, 1, tzinfo=UTC)
BOUNDS = Bounds()
COUNTS = st.floats(0, 1e7)


def pacer(prints: int = 0, suspicious: int = 0, capacity: float = 20.0, speed: float = 1.0) -> Pacer:
    load = LiveLoad()
    for second in range(1200):  # long enough for the estimate to settle
        at = NOW + timedelta(seconds=second)
        if prints:
            load.called(prints, False, at)  # a call of weight n a second is n prints
        if suspicious:
            load.called(suspicious, True, at)
    return Pacer(BOUNDS, Capacity(capacity), load, speed=speed)


def plans(made: Pacer, suspicious: bool) -> list[int]:
    at = NOW + timedelta(seconds=1200)
    return [made.plan(suspicious, at).recommended for _ in range(500)]


def test_at_rest_a_healthy_print_comes_every_40_s_on_average_and_not_in_step() -> None:
    told = plans(pacer(), suspicious=False)
    assert mean(told) == pytest.approx(40, abs=0.5)
    assert len(set(told)) > 3
    assert 38 <= min(told) <= max(told) <= 42


def test_at_rest_a_suspicious_print_comes_every_20_s_and_never_sooner() -> None:
    told = plans(pacer(), suspicious=True)
    assert 20 <= min(told) <= max(told) <= 21


def test_healthy_prints_pay_first() -> None:
    loaded = pacer(prints=900, capacity=20)  # 22.5 calls a second at rest, 15 planned for
    assert mean(plans(loaded, suspicious=False)) == pytest.approx(60, rel=0.03)
    assert mean(plans(loaded, suspicious=True)) == pytest.approx(20.5, abs=0.6)


def test_under_great_load_everyone_waits_but_no_longer_than_the_ceiling() -> None:
    flooded = pacer(prints=1_000_000)
    assert set(plans(flooded, suspicious=False)) == {BOUNDS.most}


def test_a_fast_clock_makes_as_much_more_load() -> None:
    at = NOW + timedelta(seconds=1200)
    slow, fast = pacer(prints=500, capacity=20), pacer(prints=500, capacity=200, speed=10)
    assert fast.stretch(at) == pytest.approx(slow.stretch(at))


@given(COUNTS, COUNTS, st.floats(0.1, 1e5))
def test_planned_calls_are_what_the_node_can_take(healthy: float, suspicious: float, budget: float) -> None:
    x = stretch(Prints(healthy, suspicious), budget, BOUNDS)
    calls = healthy / (BOUNDS.rest * x) + suspicious / (BOUNDS.suspicious * max(1, x / 2))
    assert x >= 1
    assert calls == pytest.approx(budget, rel=1e-6) if x > 1 else calls <= budget * (1 + 1e-9)


@given(COUNTS, COUNTS, COUNTS, st.floats(0.1, 1e5))
def test_more_prints_never_shorten_an_interval(
    healthy: float, suspicious: float, more: float, budget: float
) -> None:
    before = stretch(Prints(healthy, suspicious), budget, BOUNDS)
    assert stretch(Prints(healthy + more, suspicious), budget, BOUNDS) >= before * (1 - 1e-9)
    assert stretch(Prints(healthy, suspicious + more), budget, BOUNDS) >= before * (1 - 1e-9)


@given(st.integers(0, 5000), st.integers(0, 5000), st.floats(0.5, 500))
def test_a_plan_is_within_bounds_and_the_suspicious_share_is_shorter(
    prints: int, suspicious: int, capacity: float
) -> None:
    load = LiveLoad()
    load.called(prints * 120, False, NOW)
    load.called(suspicious * 120, True, NOW)
    made = Pacer(BOUNDS, Capacity(capacity), load)
    for looks in (False, True):
        plan = made.plan(looks, NOW)
        assert 20 <= plan.minimum <= plan.recommended <= BOUNDS.most
    x = made.stretch(NOW)
    assert BOUNDS.suspicious * max(1, x / 2) < BOUNDS.rest * x + 1e-9


def test_live_prints_are_counted_whatever_their_intervals() -> None:
    load = LiveLoad()
    for second in range(1200):
        at = NOW + timedelta(seconds=second)
        for number in range(100):
            if second % 40 == number % 40:
                load.called(40, False, at)
        for number in range(10):
            if second % 20 == number * 2:
                load.called(20, True, at)
    prints = load.prints(NOW + timedelta(seconds=1200))
    assert prints.healthy == pytest.approx(100, rel=0.05)
    assert prints.suspicious == pytest.approx(10, rel=0.05)


def test_prints_that_ended_fade() -> None:
    load = LiveLoad()
    load.called(40 * 120, False, NOW)
    assert load.prints(NOW + timedelta(minutes=20)).healthy < 0.01


def test_a_clock_that_was_set_back_does_not_swell_the_load() -> None:
    load = LiveLoad()
    load.called(120, False, NOW)
    assert load.prints(NOW - timedelta(days=1)).healthy == pytest.approx(1)


def test_the_plan_leaves_room() -> None:
    assert 0.5 < TARGET_USE < 1
