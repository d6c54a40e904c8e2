"""How many inspections a second this node can do: measured at the start, corrected while it works."""

from __future__ import annotations

import time
from collections.abc import Callable

SATURATED_WINDOW_S = 2.0
"""Seconds of saturation behind one correction: about 100 inspections on one core."""

CORRECTION_WEIGHT = 0.2
"""Weight of one correction. Five of them, 10 s of saturation, move the estimate by two thirds."""

BUSY_WINDOW_S = 10.0
"""Seconds of work, with pauses left out, behind one correction upwards of a node that is not saturated."""


class Capacity:
    """An estimate of the most inspections a second.

    per_second: the first estimate, from a calibration at the start; must be above 0.
    A saturated node, with `busy` inspections or more under way, shows what it can do: the estimate moves to
    what was done a second. A node that is not saturated shows a lower bound: what it did in the time in which
    it had anything to do. Without the bound an estimate that began too low, because several nodes were
    calibrated on one machine at once, would pace the load so low that it could never be found wrong.
    monotonic: a clock in seconds. Used from one event loop.
    """

    def __init__(
        self, per_second: float, *, busy: int = 4, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if per_second <= 0:
            raise ValueError("capacity is above 0 inspections a second")
        self.per_second = per_second
        self._busy = busy
        self._monotonic = monotonic
        self._window_began: float | None = None
        self._done = 0
        self._working_since: float | None = None
        self._worked = 0.0
        self._worked_done = 0

    def calibrate(self, per_second: float) -> None:
        """Take a fresh measurement in place of the estimate."""
        if per_second > 0:
            self.per_second = per_second
        self._window_began = None
        self._worked, self._worked_done = 0.0, 0

    def started(self, under_way: int) -> None:
        """An inspection began; `under_way` with it."""
        if self._working_since is None:
            self._working_since = self._monotonic()
        if under_way >= self._busy and self._window_began is None:
            self._window_began, self._done = self._monotonic(), 0

    def finished(self, under_way: int, inspections: int = 1) -> None:
        """An inspection ended (or several at once); `under_way` without it."""
        self._saturated(under_way, inspections)
        self._working(under_way, inspections)

    def _saturated(self, under_way: int, inspections: int) -> None:
        if self._window_began is None:
            return
        self._done += inspections
        passed = self._monotonic() - self._window_began
        if passed >= SATURATED_WINDOW_S:
            self.per_second += CORRECTION_WEIGHT * (self._done / passed - self.per_second)
            self._window_began, self._done = self._monotonic(), 0
        if under_way + 1 < self._busy:
            self._window_began = None

    def _working(self, under_way: int, inspections: int) -> None:
        if self._working_since is None:
            return
        now = self._monotonic()
        self._worked += now - self._working_since
        self._worked_done += inspections
        self._working_since = now if under_way > 0 else None
        if self._worked >= BUSY_WINDOW_S:
            self.per_second += CORRECTION_WEIGHT * max(
                0.0, self._worked_done / self._worked - self.per_second
            )
            self._worked, self._worked_done = 0.0, 0
