"""What is counted of pictures, and how far two windows of counts differ."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SCORE_EDGES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 0.95)
"""Between the bins of the failure probability, finer at its ends, where most pictures are."""

SLIGHT, LARGE = 0.1, 0.25
"""Population stability index from which a change is slight, and large: the usual reading in credit scoring
(Siddiqi 2006, "Credit Risk Scorecards")."""

_SMOOTHING = 0.5
"""Pictures added to each bin, so that an empty one has a logarithm."""


@dataclass(slots=True)
class DriftCounts:
    """Counts of one window. scores: pictures in each bin of the failure probability.  conditions: by
    `Condition`.  alarms: pictures whose answer warned or suggested a pause."""

    pictures: int = 0
    alarms: int = 0
    scores: list[int] = field(default_factory=lambda: [0] * (len(SCORE_EDGES) + 1))
    conditions: Counter[str] = field(default_factory=Counter)

    def add(self, probability: float, condition: str, *, alarm: bool) -> None:
        """Count one picture. probability: of a failure, 0..1."""
        self.pictures += 1
        self.alarms += alarm
        self.scores[bisect_right(SCORE_EDGES, probability)] += 1
        self.conditions[condition] += 1

    def merge(self, other: DriftCounts) -> None:
        """Add another window's counts."""
        self.pictures += other.pictures
        self.alarms += other.alarms
        self.scores = [a + b for a, b in zip(self.scores, other.scores, strict=True)]
        self.conditions.update(other.conditions)

    @property
    def alarm_rate(self) -> float:
        """Share of pictures that alarmed, 0..1; 0 without pictures."""
        return self.alarms / self.pictures if self.pictures else 0.0

    def to_json(self) -> str:
        """As compact JSON, for the table."""
        return json.dumps({"scores": self.scores, "conditions": self.conditions}, separators=(",", ":"))

    @classmethod
    def of(cls, pictures: int, alarms: int, text: str) -> DriftCounts:
        """Read what `to_json` wrote. Counts of other bins, of another version, are left out."""
        parts = json.loads(text)
        found = cls(pictures, alarms, conditions=Counter(parts["conditions"]))
        if len(parts["scores"]) == len(found.scores):
            found.scores = parts["scores"]
        return found


def population_stability(reference: Sequence[float], current: Sequence[float]) -> float:
    """The population stability index of two histograms over the same bins: 0 for equal shares.

    Sum over the bins of (q - p) ln(q / p), the symmetric Kullback-Leibler divergence (Jeffreys 1946).
    """
    bins = len(reference)
    total = [sum(counts) + bins * _SMOOTHING for counts in (reference, current)]
    found = 0.0
    for before, now in zip(reference, current, strict=True):
        p, q = (before + _SMOOTHING) / total[0], (now + _SMOOTHING) / total[1]
        found += (q - p) * math.log(q / p)
    return found


@dataclass(frozen=True, slots=True)
class Shift:
    """How a current window differs from its reference: two population stability indices, and both windows."""

    scores: float
    conditions: float
    reference: DriftCounts
    current: DriftCounts

    @property
    def worst(self) -> float:
        return max(self.scores, self.conditions)

    @classmethod
    def between(cls, reference: DriftCounts, current: DriftCounts) -> Shift:
        """Compare two windows."""
        return cls(
            population_stability(reference.scores, current.scores),
            _of_named(reference.conditions, current.conditions),
            reference,
            current,
        )


def _of_named(reference: Mapping[str, int], current: Mapping[str, int]) -> float:
    names = sorted({*reference, *current})
    return population_stability([reference.get(n, 0) for n in names], [current.get(n, 0) for n in names])
