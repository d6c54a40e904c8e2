"""Two models on the same live pictures: is the candidate broken, slow, or of another opinion?

Both answers to one picture are compared, never the averages of two different streams: that a farm prints
worse today, or that the machine is busy, changes both sides alike.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from statistics import median

ALARM = 0.5
"""Failure probability from which a picture counts as one that alarms."""

WINDOW = 400
"""The comparison is about so many pictures, the newest."""

MAX_ERRORS = 3
"""So many pictures that only the reference can judge condemn the candidate."""

SLOW_PICTURES = 5
SLOW_RATIO = 3.0
SLOW_MS = 50.0
"""Slow: from so many pictures on the median takes so many times, and so much longer than, the reference's. A
model twice as large is an operator's choice; three times is a mistake."""

MIN_PICTURES = 20
MIN_PRINTS = 3
MIN_SHARE = 0.1
MAX_CHI2 = 10.83
"""Of another opinion: McNemar's test on the pictures on which just one of the two alarms (10.83: p < 0.001),
over a tenth of all pictures, in at least three prints. One failing print that only the better of the two sees
is no reason to go back."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One picture. candidate, reference: failure probability 0..1, None where the model failed.

    candidate_ms, reference_ms: of the detector alone, without any wait: a full queue is no fault of
    the model's.
    """

    context_id: str
    candidate: float | None
    reference: float
    candidate_ms: float
    reference_ms: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What a comparison has seen. only_candidate, only_reference: pictures on which just that one alarms.

    candidate_ms, reference_ms: medians, 0 without pictures.
    """

    pictures: int
    errors: int
    candidate_alarms: int
    reference_alarms: int
    only_candidate: int
    only_reference: int
    candidate_ms: float
    reference_ms: float


class PairedComparison:
    """The newest pairs of one trial."""

    def __init__(self) -> None:
        self._pairs: deque[Pair] = deque(maxlen=WINDOW)

    def add(self, pair: Pair) -> None:
        """One more picture that both have looked at."""
        self._pairs.append(pair)

    def __len__(self) -> int:
        return len(self._pairs)

    def tally(self) -> Tally:
        """The figures so far."""
        judged = [(pair.candidate, pair) for pair in self._pairs if pair.candidate is not None]
        ours = [probability >= ALARM for probability, _ in judged]
        theirs = [pair.reference >= ALARM for _, pair in judged]
        return Tally(
            pictures=len(judged),
            errors=len(self._pairs) - len(judged),
            candidate_alarms=sum(ours),
            reference_alarms=sum(theirs),
            only_candidate=sum(a and not b for a, b in zip(ours, theirs, strict=True)),
            only_reference=sum(b and not a for a, b in zip(ours, theirs, strict=True)),
            candidate_ms=median([pair.candidate_ms for _, pair in judged] or [0.0]),
            reference_ms=median([pair.reference_ms for _, pair in judged] or [0.0]),
        )

    def fault(self) -> str | None:
        """Why the candidate must go, in a few words; None while it may stay."""
        tally = self.tally()
        if tally.errors >= MAX_ERRORS:
            return f"it failed on {tally.errors} of {len(self._pairs)} pictures"
        if (
            tally.pictures >= SLOW_PICTURES
            and tally.candidate_ms > SLOW_RATIO * tally.reference_ms
            and tally.candidate_ms > tally.reference_ms + SLOW_MS
        ):
            return f"it takes {tally.candidate_ms:.0f} ms a picture, {tally.reference_ms:.0f} before"
        if tally.pictures < MIN_PICTURES:
            return None
        more, less = tally.only_candidate, tally.only_reference
        if (more - less) ** 2 <= MAX_CHI2 * (more + less) or abs(more - less) < MIN_SHARE * tally.pictures:
            return None
        if self._prints_that_differ(more > less) < MIN_PRINTS:
            return None
        return (
            f"it alarms on {tally.candidate_alarms} of {tally.pictures} pictures, "
            f"{tally.reference_alarms} before"
        )

    def _prints_that_differ(self, only_candidate: bool) -> int:
        prints: Counter[str] = Counter()
        for pair in self._pairs:
            if pair.candidate is not None:
                ours, theirs = pair.candidate >= ALARM, pair.reference >= ALARM
                prints[pair.context_id] += ours != theirs and ours == only_candidate
        return sum(count > 0 for count in prints.values())
