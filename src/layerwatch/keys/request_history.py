"""What was recorded of a key's calls: the newest ones, and how many succeeded and how long they took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from layerwatch.keys import request_repository
from layerwatch.keys.models import KeyOutcomeHour
from layerwatch.keys.request_recorder import SUCCESS
from layerwatch.keys.request_repository import LATENCY_BOUNDS_MS


@dataclass(slots=True)
class CallCounts:
    """Calls of a stretch of time. errors: by ErrorType.  within: by `LATENCY_BOUNDS_MS`, longer ones last."""

    begin: datetime
    succeeded: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    within: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_MS) + 1))

    @property
    def failed(self) -> int:
        """Calls with any error."""
        return self.errors.total()

    @property
    def calls(self) -> int:
        """All calls."""
        return self.succeeded + self.failed

    def quantile_ms(self, share: float) -> int | None:
        """The bound under which this share of the calls was answered; None: no calls, or beyond the last."""
        wanted, seen = share * sum(self.within), 0
        for bound, number in zip(LATENCY_BOUNDS_MS, self.within, strict=False):
            seen += number
            if seen and seen >= wanted:
                return bound
        return None

    def add(self, row: KeyOutcomeHour) -> None:
        """Count what was recorded in one hour with one outcome."""
        numbers = row.by_latency
        if row.outcome == SUCCESS:
            self.succeeded += sum(numbers)
        else:
            self.errors[row.outcome] += sum(numbers)
        self.within = [mine + new for mine, new in zip(self.within, numbers, strict=True)]


def counts(session: Session, key_id: int, end: datetime, *, steps: int, step: timedelta) -> list[CallCounts]:
    """A key's calls in `steps` stretches of whole hours, the last of which `end` is in."""
    hours = int(step.total_seconds()) // 3600
    last = int(end.astimezone(UTC).timestamp()) // 3600 // hours
    first = last - steps + 1
    found = [
        CallCounts(datetime.fromtimestamp((first + place) * hours * 3600, UTC)) for place in range(steps)
    ]
    for row in request_repository.counts(session, key_id, first * hours, (last + 1) * hours):
        found[row.hour // hours - first].add(row)
    return found
