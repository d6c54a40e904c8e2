"""Intervals: at rest 40 s and 20 s, longer as the load grows, suspicious prints always served first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerwatch.pacing import Bounds, CallSchedule, Capacity, Pacer
from layerwatch.pacing.call_schedule import Prints
from layerwatch.pacing.pacer import TARGET_USE, stretch

NOW = datetime(2030, 1, 1, tzinfo=UTC)
BOUNDS = Bounds()
COUNTS = st.floats(0, 1e7)


def pacer(prints: int = 0, suspicious: int = 0, capacity: float = 20.0, speed: float = 1.0) -> Pacer:
    """A pacer that knows of so many live prints, their calls spread over the next 40 s."""
    load = CallSchedule()
    load.expect(prints, suspicious, NOW, NOW + timedelta(seconds=40))
    return Pacer(BOUNDS, Capacity(capacity), load, speed=speed)


def plans(made: Pacer, suspicious: bool) -> list[int]:
    return [made.plan(suspicious, NOW).recommended for _ in range(500)]


def test_at_rest_a_healthy_print_comes_every_40_s_on_average_and_not_in_step() -> None:
    intervals = plans(pacer(), suspicious=False)
    assert mean(intervals) == pytest.approx(40, abs=0.5)
    assert len(set(intervals)) > 3
    assert 38 <= min(intervals) <= max(intervals) <= 42


def test_at_rest_a_suspicious_print_comes_every_20_s_and_never_sooner() -> None:
    intervals = plans(pacer(), suspicious=True)
    assert 20 <= min(intervals) <= max(intervals) <= 21


def test_healthy_prints_pay_first() -> None:
    loaded = pacer(prints=900, capacity=20)  # 22.5 calls a second at rest, 15 planned for
    assert mean(plans(loaded, suspicious=False)) == pytest.approx(60, rel=0.03)
    assert mean(plans(loaded, suspicious=True)) == pytest.approx(20.5, abs=0.6)


def test_under_great_load_everyone_waits_but_no_longer_than_the_ceiling() -> None:
    flooded = pacer(prints=1_000_000)
    intervals = plans(flooded, suspicious=False)
    assert 0.85 * BOUNDS.most < min(intervals) < max(intervals) <= BOUNDS.most
    assert len(set(intervals)) > 10, "in step"


def test_a_fast_clock_makes_as_much_more_load() -> None:
    slow, fast = pacer(prints=500, capacity=20), pacer(prints=500, capacity=200, speed=10)
    assert fast.stretch(NOW) == pytest.approx(slow.stretch(NOW))


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
    load = CallSchedule()
    load.called(60, False, NOW, prints)
    load.called(60, True, NOW, suspicious)
    made = Pacer(BOUNDS, Capacity(capacity), load)
    for looks in (False, True):
        plan = made.plan(looks, NOW)
        assert 20 <= plan.minimum <= plan.recommended <= BOUNDS.most
    x = made.stretch(NOW)
    assert BOUNDS.suspicious * max(1, x / 2) < BOUNDS.rest * x + 1e-9


def test_each_print_counts_once_from_its_first_call_on() -> None:
    load = CallSchedule()
    for second in range(400):
        at = NOW + timedelta(seconds=second)
        for number in range(100):
            if second % 40 == number % 40:
                load.called(40, False, at)
        for number in range(10):
            if second % 20 == number * 2:
                load.called(20, True, at)
        if second >= 39:
            prints = load.prints(at)
            assert prints.healthy == pytest.approx(100, abs=3)
            assert prints.suspicious == pytest.approx(10, abs=1)


def test_a_print_without_further_calls_is_forgotten() -> None:
    load = CallSchedule()
    load.called(40, False, NOW)
    assert load.prints(NOW + timedelta(seconds=39)).healthy == 1
    assert load.prints(NOW + timedelta(seconds=41)).healthy == 0


def test_a_clock_that_was_set_back_does_not_swell_the_load() -> None:
    load = CallSchedule()
    load.called(40, False, NOW)
    assert load.prints(NOW - timedelta(days=1)).healthy == 1
    assert load.prints(NOW + timedelta(days=1)).healthy == 0


def test_calls_that_would_come_at_once_are_spread_over_free_seconds() -> None:
    load = CallSchedule()
    made = Pacer(BOUNDS, Capacity(20), load)  # 15 calls a second are planned for
    for _ in range(100):
        made.called(made.plan(False, NOW), False, NOW)
    assert max(load.booked(NOW, 0, 300)) <= 15


def test_a_new_node_takes_over_what_is_known_of_the_last_one() -> None:
    load = CallSchedule()
    load.expect(1000, 50, NOW, NOW + timedelta(seconds=100))
    assert load.prints(NOW).healthy == pytest.approx(1000)
    assert load.prints(NOW + timedelta(seconds=50)).healthy == pytest.approx(500, rel=0.03)


def test_who_is_in_a_hurry_may_not_take_what_others_wait_for() -> None:
    assert pacer().plan(False, NOW).minimum == 20
    loaded = pacer(prints=2000).plan(False, NOW)
    assert loaded.minimum == loaded.recommended


def test_the_plan_leaves_room() -> None:
    assert 0.5 < TARGET_USE < 1
