"""Time, as a thing that can be handed in: a session's tests run hours in milliseconds."""

from __future__ import annotations

import threading
import time
from typing import Optional, Protocol


class Clock(Protocol):
    """What the synchronous client needs of time."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    def sleep(self, seconds: float, wake: Optional[threading.Event] = None) -> None:
        """Wait for `seconds`, or until `wake` is set, whichever is first."""
        ...


class AsyncClock(Protocol):
    """What the asynchronous client needs of time. A wait ends early by cancelling it."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class SystemClock:
    """The machine's own monotonic clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float, wake: Optional[threading.Event] = None) -> None:
        if wake is None:
            time.sleep(max(0.0, seconds))
        else:
            # Event.wait overflows above TIMEOUT_MAX (some centuries on 64 bits, 49 days on 32).
            wake.wait(min(max(0.0, seconds), threading.TIMEOUT_MAX))


class AcceleratedClock:
    """The machine's clock, running `factor` times as fast: an hour's session in a minute at 60."""

    def __init__(self, factor: float) -> None:
        if not factor > 0:
            raise ValueError("factor must be above zero")
        self._factor = factor
        self._started = time.monotonic()
        self._system = SystemClock()

    def monotonic(self) -> float:
        return self._started + (time.monotonic() - self._started) * self._factor

    def sleep(self, seconds: float, wake: Optional[threading.Event] = None) -> None:
        self._system.sleep(seconds / self._factor, wake)


class AsyncSystemClock:
    """The machine's own monotonic clock, for asyncio."""

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(max(0.0, seconds))
