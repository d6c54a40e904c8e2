"""Where the service gets the time from. Tests put a clock of their own in its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock; with `speed` above 1 it runs that many times faster from now on.

    A fast clock lets a two-hour print be shown in a minute: server and client both count print seconds.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._began = datetime.now(UTC)
        self._began_monotonic = time.monotonic()

    def now(self) -> datetime:
        if self.speed == 1.0:
            return datetime.now(UTC)
        passed = time.monotonic() - self._began_monotonic
        return self._began + timedelta(seconds=passed * self.speed)


MAX_CLOCK_JUMP = timedelta(hours=1)
"""A clock that advanced this much more than real time was set."""


class ClockGuard:
    """Distrusts a clock that was set ahead, for what one wrong setting must not undo or bring about.

    speed: of the clock. wait: real seconds from a jump ahead until it is trusted again: time to set it right.
    monotonic: real seconds.
    """

    def __init__(
        self, *, speed: float = 1.0, wait: float = 0.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._speed = speed
        self._wait = wait
        self._monotonic = monotonic
        self._last: tuple[datetime, float] | None = None
        self._jumped_at: float | None = None

    def trusts(self, now: datetime) -> bool:
        """Whether to act on `now`, as the clock shows it; True at first. To be called regularly."""
        real = self._monotonic()
        if self._last is not None:
            passed = timedelta(seconds=(real - self._last[1]) * self._speed)
            if now - self._last[0] > passed + MAX_CLOCK_JUMP:
                self._jumped_at = real
        self._last = (now, real)
        return self._jumped_at is None or real - self._jumped_at > self._wait
