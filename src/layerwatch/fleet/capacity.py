"""How many inspections a second this node can do: measured at the start, corrected while it is saturated."""

from __future__ import annotations

import time
from collections.abc import Callable

WINDOW = 2.0
"""Seconds of saturation behind one correction: about 100 inspections on one core."""

WEIGHT = 0.2
"""Weight of one correction. Five of them, 10 s of saturation, move the estimate by two thirds."""


class Capacity:
    """An estimate of the most inspections a second.

    per_second: the first estimate, from a calibration at the start; must be above 0.
    Only a saturated node shows what it can do: with less than `busy` inspections under way the next one
    might have come sooner, so nothing is learnt. monotonic: a clock in seconds.
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

    def calibrate(self, per_second: float) -> None:
        """Take a fresh measurement in place of the estimate."""
        if per_second > 0:
            self.per_second = per_second
        self._window_began = None

    def started(self, under_way: int) -> None:
        """An inspection began; `under_way` with it."""
        if under_way >= self._busy and self._window_began is None:
            self._window_began, self._done = self._monotonic(), 0

    def finished(self, under_way: int) -> None:
        """An inspection ended; `under_way` without it."""
        if self._window_began is None:
            return
        self._done += 1
        passed = self._monotonic() - self._window_began
        if passed >= WINDOW:
            self.per_second += WEIGHT * (self._done / passed - self.per_second)
            self._window_began, self._done = self._monotonic(), 0
        if under_way + 1 < self._busy:
            self._window_began = None
