"""Healthy, excursion or failing: a three-state hidden Markov model in continuous time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from layerwatch.temporal import constants as c


@dataclass(frozen=True, slots=True)
class Belief:
    """Probabilities of an excursion and of failing; healthy is the rest."""

    excursion: float = c.PRIOR_EXCURSION
    failing: float = c.PRIOR_FAILING

    @property
    def healthy(self) -> float:
        return 1.0 - self.excursion - self.failing

    @property
    def log_odds(self) -> float:
        """Of failing, in nats."""
        return math.log(self.failing / (1.0 - self.failing))

    @property
    def score(self) -> int:
        """Per cent, 0 (perfect) to 100 (failing)."""
        return round(100 * (self.failing + c.EXCURSION_SCORE * self.excursion))

    def after(self, seconds: float) -> Belief:
        """Some seconds later, without evidence: prints go odd, come back, fail; rarely is one mended."""
        odd = 1 - math.exp(-c.EXCURSIONS_PER_SECOND * seconds)
        back = 1 - math.exp(-c.EXCURSION_ENDS_PER_SECOND * seconds)
        fails = 1 - math.exp(-c.FAILURES_PER_SECOND * seconds)
        mended = 1 - math.exp(-c.RECOVERIES_PER_SECOND * seconds)
        excursion = self.excursion * (1 - back) + self.healthy * odd
        failing = self.failing * (1 - mended) + (1 - self.failing) * fails
        return _bounded(1.0 - excursion - failing, excursion, failing)

    def given(self, excursion: float, failing: float) -> Belief:
        """After evidence: nats for an excursion and for failing, against healthy."""
        highest = max(excursion, failing, 0.0)
        return _bounded(
            self.healthy * math.exp(-highest),
            self.excursion * math.exp(excursion - highest),
            self.failing * math.exp(failing - highest),
        )


def _bounded(healthy: float, excursion: float, failing: float) -> Belief:
    least = c.MIN_PROBABILITY * (healthy + excursion + failing)
    healthy, excursion, failing = max(healthy, least), max(excursion, least), max(failing, least)
    total = healthy + excursion + failing
    return Belief(excursion / total, failing / total)
