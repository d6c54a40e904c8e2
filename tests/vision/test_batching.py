"""Batches form from what waits; nobody waits for a batch to fill; too late is Busy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError

import pytest

from layerwatch.vision import Busy
from layerwatch.vision.batching import Batcher, BatchReport


class Gated:
    """Doubles numbers, one batch at a time, and only when let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.let = threading.Semaphore(0)

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.entered.release()
        assert self.let.acquire(timeout=10)
        return [2 * item for item in items]

    def open(self) -> None:
        self.let.release(1000)

    def await_batch(self) -> None:
        assert self.entered.acquire(timeout=10)


@pytest.fixture
def gated() -> Gated:
    return Gated()


@pytest.fixture
def make(gated: Gated) -> Iterator[Callable[..., Batcher[int, int]]]:
    made: list[Batcher[int, int]] = []

    def build(**options: object) -> Batcher[int, int]:
        made.append(Batcher(gated, **options))  # type: ignore[arg-type]
        return made[-1]

    yield build
    gated.open()
    for batcher in made:
        batcher.close()


def test_a_lone_item_is_not_held_back(make, gated: Gated) -> None:
    future = make(max_batch=8).submit(21)
    gated.await_batch()
    gated.open()
    assert future.result(timeout=10) == 42
    assert gated.batches == [[21]]


def test_what_arrives_while_a_batch_runs_becomes_the_next_batch(make, gated: Gated) -> None:
    batcher = make(max_batch=8)
    futures = [batcher.submit(0)]
    gated.await_batch()
    futures += [batcher.submit(number) for number in range(1, 6)]
    assert batcher.waiting == 5
    gated.open()
    assert [future.result(timeout=10) for future in futures] == [0, 2, 4, 6, 8, 10]
    assert gated.batches == [[0], [1, 2, 3, 4, 5]]


def test_a_batch_never_exceeds_its_limit(make, gated: Gated) -> None:
    batcher = make(max_batch=3)
    futures = [batcher.submit(0)]
    gated.await_batch()
    futures += [batcher.submit(number) for number in range(1, 8)]
    gated.open()
    for future in futures:
        future.result(timeout=10)
    assert gated.batches == [[0], [1, 2, 3], [4, 5, 6], [7]]


def test_idle_workers_share_what_waits(make, gated: Gated) -> None:
    batcher = make(max_batch=8, workers=2)
    futures = [batcher.submit(0), batcher.submit(1)]
    gated.await_batch()
    gated.await_batch()
    gated.open()
    for future in futures:
        future.result(timeout=10)
    assert sorted(gated.batches) == [[0], [1]]


def test_an_item_whose_deadline_passed_is_busy_and_not_run(make, gated: Gated) -> None:
    now = [100.0]
    batcher = make(clock=lambda: now[0])
    batcher.submit(0)
    gated.await_batch()
    late, in_time = batcher.submit(1, deadline=105.0), batcher.submit(2, deadline=200.0)
    now[0] = 110.0
    gated.open()
    with pytest.raises(Busy, match="in time"):
        late.result(timeout=10)
    assert in_time.result(timeout=10) == 4
    assert gated.batches == [[0], [2]]


def test_a_cancelled_item_is_not_run(make, gated: Gated) -> None:
    batcher = make()
    batcher.submit(0)
    gated.await_batch()
    gone, stays = batcher.submit(1), batcher.submit(2)
    assert gone.cancel()
    gated.open()
    assert stays.result(timeout=10) == 4
    assert gated.batches == [[0], [2]]


def test_a_failing_batch_fails_its_callers_and_the_worker_lives_on() -> None:
    def run(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise ArithmeticError("thirteen")
        return list(items)

    batcher = Batcher(run)
    with pytest.raises(ArithmeticError, match="thirteen"):
        batcher.submit(13).result(timeout=10)
    assert batcher.submit(7).result(timeout=10) == 7
    batcher.close()


def test_a_wrong_number_of_results_fails_the_batch_and_the_worker_lives_on() -> None:
    answers = iter([[], [5]])
    batcher: Batcher[int, int] = Batcher(lambda items: next(answers))
    with pytest.raises(ValueError, match="shorter"):
        batcher.submit(1).result(timeout=10)
    assert batcher.submit(1).result(timeout=10) == 5
    batcher.close()


def test_closing_finishes_what_runs_and_fails_what_waits(make, gated: Gated) -> None:
    batcher = make()
    running = batcher.submit(1)
    gated.await_batch()
    waiting, cancelled = batcher.submit(2), batcher.submit(3)
    cancelled.cancel()
    closing = threading.Thread(target=batcher.close)
    closing.start()
    with pytest.raises(Busy, match="shutting down"):
        waiting.result(timeout=10)
    with pytest.raises(CancelledError):
        cancelled.result(timeout=10)
    gated.open()
    closing.join(timeout=10)
    assert running.result(timeout=10) == 2
    with pytest.raises(Busy, match="shutting down"):
        batcher.submit(4)
    batcher.close()


def test_every_batch_is_reported() -> None:
    now = [0.0]
    reports: list[BatchReport] = []

    def run(items: Sequence[int]) -> list[int]:
        now[0] += 0.25
        return list(items)

    batcher = Batcher(run, clock=lambda: now[0], on_batch=reports.append)
    batcher.submit(1).result(timeout=10)
    batcher.close()
    assert reports == [BatchReport(size=1, waited=0.0)]


def test_a_failing_report_does_not_end_the_worker() -> None:
    def report(_: BatchReport) -> None:
        raise RuntimeError("metrics are down")

    batcher: Batcher[int, int] = Batcher(lambda items: list(items), on_batch=report)
    assert batcher.submit(1).result(timeout=10) == 1
    assert batcher.submit(2).result(timeout=10) == 2
    batcher.close()
