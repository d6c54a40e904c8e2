"""How often and how long to try again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Callable, Optional

from layerwatch_sdk.errors import ContextLost, ContextRateLimited, LayerwatchError, NoAnswer, ServerError


@dataclass(frozen=True)
class Retry:
    """Exponential backoff with jitter, inside one call of the client.

    attempts: tries in all, at least 1.
    first_delay: seconds before the second try, doubled for each later one up to `longest_delay`.
    longest_wait: a Retry-After up to this many seconds is waited for inside the call; a longer one is raised
        at once with `retry_after`, so that the caller can do something better than wait.

    Chosen, not tuned: four tries last about 4 s, well inside the shortest interval between pictures (20 s).
    """

    attempts: int = 4
    first_delay: float = 0.5
    longest_delay: float = 8.0
    longest_wait: float = 10.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("attempts must be at least 1")
        if min(self.first_delay, self.longest_delay, self.longest_wait) < 0:
            raise ValueError("delays must not be negative")

    def delay(
        self, error: LayerwatchError, tries: int, jitter: Callable[[], float] = random.random
    ) -> Optional[float]:
        """Seconds to wait before trying again after `tries` tries, or None: give up and raise `error`."""
        if tries >= self.attempts or not may_retry(error):
            return None
        backoff = jittered(self.first_delay * 2 ** (tries - 1), self.longest_delay, jitter)
        if error.retry_after is None:
            return None if isinstance(error, ContextRateLimited) else backoff
        if error.retry_after > self.longest_wait:
            return None
        # Jitter only ever adds to what the service asked for, so that its clients do not come back in step.
        return error.retry_after + min(backoff, 0.1 * error.retry_after + 0.1)


def may_retry(error: LayerwatchError) -> bool:
    """Whether the same request may do better a little later."""
    if isinstance(error, ContextLost):
        return False
    return isinstance(error, (NoAnswer, ServerError, ContextRateLimited))


def jittered(seconds: float, longest: float, jitter: Callable[[], float] = random.random) -> float:
    """A delay between half and the whole of `seconds`, at most `longest`."""
    return min(seconds, longest) * (0.5 + 0.5 * jitter())
