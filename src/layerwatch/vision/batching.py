"""Dynamic batching: what waits while one batch runs becomes the next batch.

Nothing is ever held back to fill a batch, so a lone picture is looked at the moment it comes.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from layerwatch.vision.errors import Busy

logger = logging.getLogger(__name__)

THREAD_NICENESS = 5
"""Added to the worker threads' niceness, so that the process's other threads run first."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class BatchReport:
    """One batch, for metrics. size: items; waited: seconds that its oldest item waited."""

    size: int
    waited: float


@dataclass(slots=True)
class _Job(Generic[Item, Result]):
    item: Item
    future: Future[Result]
    deadline: float
    queued_at: float


class Batcher(Generic[Item, Result]):
    """Runs `run(items) → results` in worker threads, on as many items as are waiting.

    run: takes up to `max_batch` items and gives one result for each, in order.  workers: threads that call
    it.  clock: monotonic seconds.  on_batch: called for every batch, from the
    worker's thread.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        workers: int = 1,
        max_batch: int = 8,
        clock: Callable[[], float] = time.monotonic,
        on_batch: Callable[[BatchReport], None] | None = None,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._clock = clock
        self._on_batch = on_batch
        self._waiting: deque[_Job[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._closed = False
        self._workers = [
            threading.Thread(target=self._work, name=f"layerwatch-detect-{number}", daemon=True)
            for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    @property
    def waiting(self) -> int:
        """Items that wait for a worker now."""
        return len(self._waiting)

    def submit(
        self, item: Item, deadline: float = float("inf"), future: Future[Result] | None = None
    ) -> Future[Result]:
        """Queue an item. Its future, the one given or a new one, fails with Busy if no worker took it by
        `deadline` (on `clock`).

        Raises Busy after `close`. How many wait is for the caller to bound.
        """
        future = Future() if future is None else future
        with self._changed:
            if self._closed:
                raise Busy("The detector is shutting down.")
            self._waiting.append(_Job(item, future, deadline, self._clock()))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Finish what runs, fail what waits with Busy, end the workers. May be called twice."""
        with self._changed:
            self._closed = True
            left, self._waiting = list(self._waiting), deque()
            self._changed.notify_all()
        for job in left:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(Busy("The detector is shutting down."))
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        step_back()
        while (batch := self._take()) is not None:
            if batch:
                self._run_batch(batch)

    def _take(self) -> list[_Job[Item, Result]] | None:
        """The next batch, without what was cancelled or came too late; None after `close`."""
        late: list[_Job[Item, Result]] = []
        with self._changed:
            self._idle += 1
            while not self._waiting and not self._closed:
                self._changed.wait()
            idle, self._idle = self._idle, self._idle - 1
            if not self._waiting:
                return None
            # An even share, so that one worker does not take the work from under another's hands.
            share = min(self._max_batch, -(-len(self._waiting) // idle))
            now = self._clock()
            batch: list[_Job[Item, Result]] = []
            while self._waiting and len(batch) < share:
                job = self._waiting.popleft()
                if not job.future.set_running_or_notify_cancel():
                    continue
                (late if job.deadline < now else batch).append(job)
        for job in late:
            job.future.set_exception(Busy("The detector did not get to the picture in time."))
        return batch

    def _run_batch(self, batch: list[_Job[Item, Result]]) -> None:
        began = self._clock()
        try:
            results = list(zip(batch, self._run([job.item for job in batch]), strict=True))
        except BaseException as error:  # a worker must outlive any batch; the callers get the error
            for job in batch:
                job.future.set_exception(error)
        else:
            for job, result in results:
                job.future.set_result(result)
        self._report(batch, began)

    def _report(self, batch: list[_Job[Item, Result]], began: float) -> None:
        if self._on_batch is None:
            return
        waited = began - min(job.queued_at for job in batch)
        try:
            self._on_batch(BatchReport(len(batch), waited))
        except Exception:
            logger.exception("The callback for batch reports failed")


def step_back() -> None:
    """Let the threads that answer go before this one when cores are scarce.

    A server in overload must refuse in milliseconds, but the detector's threads have every core: without this
    a refusal took 1 s at three times the capacity, with it 5 ms (median, `benchmarks/load.py`, two cores).
    """
    if sys.platform == "linux":  # where each thread has a niceness of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), THREAD_NICENESS)
