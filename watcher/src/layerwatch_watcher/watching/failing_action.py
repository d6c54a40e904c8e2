"""An action that fails again and again: tried again quietly, reported once, then rarely. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

FIRST_RETRY_S, MAX_RETRY_S = 15.0, 300.0
"""Pause before the next try, doubled at each failure."""
REMIND_AFTER_S = 3600.0
"""A failure that lasts is reported again after this."""


@dataclass
class FailingAction:
    """How often an action has failed in a row. Moments are seconds on the watcher's clock."""

    tries: int = 0
    retry_at: float = 0.0
    reported_at: Optional[float] = None

    def due(self, now: float) -> bool:
        """Whether it may be tried now."""
        return not self.tries or now >= self.retry_at

    def failed(self, now: float) -> bool:
        """Note a failure at `now`. True if it is to be reported."""
        self.tries += 1
        self.retry_at = now + min(FIRST_RETRY_S * 2 ** min(self.tries - 1, 10), MAX_RETRY_S)
        if self.reported_at is not None and now - self.reported_at < REMIND_AFTER_S:
            return False
        self.reported_at = now
        return True

    def moved(self, by: float) -> FailingAction:
        """The same on a clock that is `by` seconds ahead."""
        reported = None if self.reported_at is None else self.reported_at + by
        return FailingAction(self.tries, self.retry_at + by, reported)
