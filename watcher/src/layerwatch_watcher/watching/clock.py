"""Other clocks than the machine's own. The protocol is `layerwatch_sdk.clock.AsyncClock`."""

from __future__ import annotations

import asyncio
import time


class SteppingClock:
    """Time that passes only by waiting for it: a recording is seen through as fast as it can be judged."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        """Seconds waited so far."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Pass over `seconds` at once."""
        self._now += max(0.0, seconds)
        await asyncio.sleep(0)


class FastClock:
    """The machine's monotonic clock, `factor` times as fast: hours of a print in minutes."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._began = time.monotonic()

    def monotonic(self) -> float:
        """Seconds of the fast clock since it was made."""
        return (time.monotonic() - self._began) * self.factor

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of the fast clock."""
        await asyncio.sleep(max(0.0, seconds) / self.factor)
