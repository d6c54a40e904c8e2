"""Who may have a picture judged now, and who is refused at once because it would come too late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from layerwatch.pacing.capacity import Capacity
from layerwatch.pacing.errors import Throttled


class Admission:
    """A bounded queue with a deadline, known before a picture is even uploaded.

    length: pictures under way at once.  deadline: seconds within which one must be judged.
    memory: bytes of uploads held at once.  Used from one event loop.

    Fair between accounts: nobody may have more places than are still free. So one account alone gets half of
    the queue, two a third each, and the last to arrive finds room (dynamic thresholds with factor 1,
    Choudhury and Hahne 1998).
    """

    def __init__(self, length: int, deadline: float, memory: int, capacity: Capacity) -> None:
        self._length = length
        self._deadline = deadline
        self._memory = memory
        self._capacity = capacity
        self.under_way = 0
        self.bytes_held = 0
        self._of_account: dict[int, int] = {}

    def check(self, account: int) -> None:
        """Raise Throttled if a picture of this account that came now could not be judged in time."""
        if self.under_way >= self._length:
            raise Throttled(f"{self.under_way} pictures are under way")
        held = self._of_account.get(account, 0)
        if held > 0 and held >= self._length - self.under_way:
            raise Throttled(f"{held} pictures of this account are under way")
        wait = self.under_way / self._capacity.per_second
        if wait > self._deadline:
            raise Throttled(f"the queue is {wait:.1f} s long")

    @contextmanager
    def place(self, account: int) -> Iterator[None]:
        """A place in the queue, from before the detector until its answer. Raises Throttled as `check`."""
        self.check(account)
        self.under_way += 1
        self._of_account[account] = self._of_account.get(account, 0) + 1
        self._capacity.started(self.under_way)
        try:
            yield
        finally:
            self.under_way -= 1
            self._of_account[account] -= 1
            if not self._of_account[account]:
                del self._of_account[account]
            self._capacity.finished(self.under_way)

    @contextmanager
    def upload(self, account: int) -> Iterator[Reservation]:
        """Memory for one upload, released at the end of the block. Raises Throttled as `check`."""
        self.check(account)
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            reservation.release()

    def _hold(self, size: int) -> None:
        if self.bytes_held + size > self._memory:
            raise Throttled(f"{self.bytes_held} bytes of uploads are held")
        self.bytes_held += size


class Reservation:
    """The bytes that one upload holds."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._size = 0

    def add(self, size: int) -> None:
        """Hold `size` bytes more. Raises Throttled when all uploads together hold too much."""
        self._admission._hold(size)
        self._size += size

    def release(self) -> None:
        """Release all of them."""
        self._admission.bytes_held -= self._size
        self._size = 0
