"""How many prints are live and when each will call next, from the intervals they were given, without a list.

A print that is given an interval of I seconds is live until then, and will call then. So the promises that
are still to be kept are the live prints, and their due seconds are the calls to come. Nothing is averaged:
a print counts from its first call on, and is forgotten when it does not keep its promise.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Prints:
    """Live prints."""

    healthy: float
    suspicious: float


class CallSchedule:
    """A calendar of promised calls by whole second. As many entries as the longest interval has seconds.

    Used from the event loop and from the database's threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._healthy: dict[int, float] = {}
        self._suspicious: dict[int, float] = {}
        self._sums = [0.0, 0.0]
        self._second: int | None = None

    def called(self, interval: float, suspicious: bool, at: datetime, prints: float = 1.0) -> None:
        """A print, or a cohort of `prints` in step, was given an interval of `interval` seconds."""
        due = int(at.timestamp() + interval)
        with self._lock:
            self._forget(at)
            calendar = self._suspicious if suspicious else self._healthy
            calendar[due] = calendar.get(due, 0.0) + prints
            self._sums[suspicious] += prints

    def expect(self, healthy: float, suspicious: float, at: datetime, until: datetime) -> None:
        """Prints that another process promised, of which only their number is known: spread them evenly
        from `at` to `until`. For a node that starts where one with live prints has ended."""
        seconds = int((until - at).total_seconds())
        for second in range(seconds):
            self.called(second, False, at, healthy / seconds)
            self.called(second, True, at, suspicious / seconds)

    def prints(self, at: datetime) -> Prints:
        """The live prints at a moment."""
        with self._lock:
            self._forget(at)
            return Prints(max(0.0, self._sums[False]), max(0.0, self._sums[True]))

    def booked(self, at: datetime, first: int, last: int) -> list[float]:
        """Calls promised for each second from `at` plus `first` to `at` plus `last`, both included."""
        base = int(at.timestamp())
        with self._lock:
            healthy, suspicious = self._healthy.get, self._suspicious.get
            return [
                healthy(second, 0.0) + suspicious(second, 0.0)
                for second in range(base + first, base + last + 1)
            ]

    def _forget(self, at: datetime) -> None:
        """Drop the promises whose second is over. A clock that was set back drops none."""
        now = int(at.timestamp())
        before, self._second = self._second, now if self._second is None else max(now, self._second)
        if before is None or now <= before:
            return
        for number, calendar in enumerate((self._healthy, self._suspicious)):
            late = range(before, now) if now - before < len(calendar) else [s for s in calendar if s < now]
            for second in late:
                self._sums[number] -= calendar.pop(second, 0.0)
            if not calendar:
                self._sums[number] = 0.0  # what rounding left
