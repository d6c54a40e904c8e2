"""How many prints are live, told from their calls alone, without a list of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

MEMORY = 120.0
"""Seconds over which calls are averaged: three intervals at rest. Shorter is noisy with few prints (one
print's estimate swings by a third), longer is late when many come at once."""


@dataclass(frozen=True, slots=True)
class Prints:
    """Estimated live prints."""

    healthy: float
    suspicious: float


class LiveLoad:
    """Counts live prints by Little's law: a print told to come again in I seconds calls 1/I times a second.

    Each call adds its I / MEMORY to an average that fades with time constant MEMORY, so N prints settle at N
    whatever their intervals are. O(1) memory for any number of prints.
    """

    def __init__(self) -> None:
        self._healthy = 0.0
        self._suspicious = 0.0
        self._at: datetime | None = None

    def called(self, interval: float, suspicious: bool, at: datetime) -> None:
        """A print called and was told to come again in `interval` seconds."""
        self._fade(at)
        if suspicious:
            self._suspicious += interval / MEMORY
        else:
            self._healthy += interval / MEMORY

    def prints(self, at: datetime) -> Prints:
        """The estimate at a moment."""
        self._fade(at)
        return Prints(self._healthy, self._suspicious)

    def _fade(self, at: datetime) -> None:
        if self._at is None or at <= self._at:
            self._at = self._at or at
            return
        factor = math.exp(-(at - self._at).total_seconds() / MEMORY)
        self._healthy *= factor
        self._suspicious *= factor
        self._at = at
