"""Where the service gets the time from. Tests put a clock of their own in its place."""

from __future__ import annotations

import time
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
