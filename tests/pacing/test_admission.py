"""Who is let in, and what the node learns of its capacity."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from layerwatch.pacing import Admission, Capacity, Throttled


def admission(
    length: int = 4, deadline: float = 1.0, memory: int = 100, capacity: float = 100.0
) -> Admission:
    return Admission(length, deadline, memory, Capacity(capacity))


def test_no_more_are_let_in_than_the_queue_is_long() -> None:
    gate = admission(length=3)
    with ExitStack() as places:
        for account in range(3):
            places.enter_context(gate.place(account))
        with pytest.raises(Throttled):
            gate.check(9)
        with pytest.raises(Throttled):
            places.enter_context(gate.place(9))
    gate.check(9)
    assert gate.under_way == 0


def fill(gate: Admission, places: ExitStack, account: int) -> int:
    """Take as many places as the account is given; their number."""
    for taken in range(1000):
        try:
            places.enter_context(gate.place(account))
        except Throttled:
            return taken
    raise AssertionError("nothing bounds one account")


def test_one_accounts_flood_leaves_room_for_another() -> None:
    gate = admission(length=64, deadline=60)
    with ExitStack() as places:
        assert fill(gate, places, account=1) == 32
        assert fill(gate, places, account=2) == 16
        assert fill(gate, places, account=3) == 8
        gate.check(4)


def test_released_places_count_for_no_account() -> None:
    gate = admission(length=4)
    for _ in range(3):
        with ExitStack() as places:
            assert fill(gate, places, account=1) == 2


def test_who_would_be_late_is_refused_at_once() -> None:
    gate = admission(length=100, deadline=1.0, capacity=2.0)
    with ExitStack() as places:
        for _ in range(3):
            places.enter_context(gate.place(1))
        with pytest.raises(Throttled, match=r"1\.5 s"):
            gate.check(1)


def test_a_place_is_free_again_when_judging_failed() -> None:
    gate = admission()
    with pytest.raises(KeyError), gate.place(1):
        raise KeyError
    assert gate.under_way == 0


def test_uploads_share_a_bounded_memory() -> None:
    gate = admission(memory=100)
    with gate.upload(1) as first, gate.upload(2) as second:
        first.add(60)
        with pytest.raises(Throttled):
            second.add(41)
        second.add(40)
    assert gate.bytes_held == 0


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def work(capacity: Capacity, clock: Seconds, seconds: float, rate: float, under_way: int) -> None:
    capacity.started(under_way)
    for _ in range(int(seconds * rate)):
        clock.now += 1 / rate
        capacity.finished(under_way - 1)
        capacity.started(under_way)


def test_a_saturated_node_learns_what_it_can_do() -> None:
    clock = Seconds()
    capacity = Capacity(20, monotonic=clock)
    work(capacity, clock, seconds=60, rate=50, under_way=8)
    assert capacity.per_second == pytest.approx(50, rel=0.05)


def test_a_node_with_little_to_do_is_not_rated_lower() -> None:
    clock = Seconds()
    capacity = Capacity(20, monotonic=clock)
    for _ in range(60):
        capacity.started(1)
        clock.now += 0.1  # quick, by itself
        capacity.finished(0)
        clock.now += 0.9
    assert capacity.per_second == 20


def test_a_node_that_was_underrated_is_found_out_without_being_saturated() -> None:
    clock = Seconds()
    capacity = Capacity(5, monotonic=clock)
    for _ in range(10_000):
        capacity.started(1)
        clock.now += 0.025  # 40 a second while it works; idle half of the time
        capacity.finished(0)
        clock.now += 0.025
    assert capacity.per_second == pytest.approx(40, rel=0.05)


def test_a_calibration_takes_the_estimates_place() -> None:
    capacity = Capacity(20)
    capacity.calibrate(70)
    capacity.calibrate(0)
    assert capacity.per_second == 70
