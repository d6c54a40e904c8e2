"""A clock that a test moves."""

from __future__ import annotations

import asyncio
import heapq
import itertools


class VirtualClock:
    """Time stands still until `advance`; sleepers wake in order, with the loop's work done in between."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), next(self._numbers), wake))
        await wake

    async def advance(self, seconds: float) -> None:
        """Advance the clock by `seconds`."""
        until = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= until:
            when, _, wake = heapq.heappop(self._sleepers)
            self._now = max(self._now, when)
            if not wake.done():
                wake.set_result(None)
                await _settle()
        self._now = until
        await _settle()


async def _settle() -> None:
    for _ in range(40):
        await asyncio.sleep(0)
