"""Who is let in, and what the node learns of its capacity."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from layerwatch.fleet import Admission, Capacity, Throttled


def admission(
    length: int = 4, deadline: float = 1.0, memory: int = 100, capacity: float = 100.0
) -> Admission:
    return Admission(length, deadline, memory, Capacity(capacity))


def test_no_more_are_let_in_than_the_queue_is_long() -> None:
    gate = admission(length=3)
    with ExitStack() as places:
        for _ in range(3):
            places.enter_context(gate.place())
        with pytest.raises(Throttled):
            gate.check()
        with pytest.raises(Throttled):
            places.enter_context(gate.place())
    gate.check()
    assert gate.under_way == 0


def test_who_would_be_late_is_refused_at_once() -> None:
    gate = admission(length=100, deadline=1.0, capacity=2.0)
    with ExitStack() as places:
        for _ in range(3):
            places.enter_context(gate.place())
        with pytest.raises(Throttled, match=r"1\.5 s"):
            gate.check()


def test_a_place_is_free_again_when_judging_failed() -> None:
    gate = admission()
    with pytest.raises(KeyError), gate.place():
        raise KeyError
    assert gate.under_way == 0


def test_uploads_share_a_bounded_memory() -> None:
    gate = admission(memory=100)
    with gate.upload() as first, gate.upload() as second:
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


def test_an_idle_node_learns_nothing() -> None:
    clock = Seconds()
    capacity = Capacity(20, monotonic=clock)
    work(capacity, clock, seconds=60, rate=1, under_way=1)
    assert capacity.per_second == 20


def test_a_calibration_takes_the_estimates_place() -> None:
    capacity = Capacity(20)
    capacity.calibrate(70)
    capacity.calibrate(0)
    assert capacity.per_second == 70
