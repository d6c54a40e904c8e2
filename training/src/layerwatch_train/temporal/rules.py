"""The rules that other programs use, written from their published formulas, on the same scores.

Each takes a probability a picture and says whether to warn and whether to pause. None is the frame's worth
when a picture cannot be judged; the rules have no notion of that and see the score that the detector gave.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol


class Rule(Protocol):
    """One print's run of a rule."""

    def see(self, score: float) -> tuple[bool, bool]:
        """(warn, pause) after this picture."""


@dataclass(slots=True)
class Obico:
    """Obico's rule: a short exponential mean over the print's and the printer's rolling means.

    Source: obico-server, backend/lib/prediction.py and its settings (span 12, windows 310 and 7200, low 0.38,
    high 0.78, multiple 3.8, 30 safe frames, escalation 1.75). Obico sums its detections' confidences; here
    the picture's probability replaces that sum, and the printer has no earlier print.
    """

    sensitivity: float = 1.0
    frames: int = 0
    short: float = 0.0
    long: float = 0.0
    mean: float = 0.0

    def see(self, score: float) -> tuple[bool, bool]:
        self.frames += 1
        alpha = 2 / (12 + 1)
        self.mean = score * alpha + self.mean * (1 - alpha)
        self.short += (score - self.short) / (310 if self.frames >= 310 else self.frames + 1)
        self.long += (score - self.long) / (7200 if self.frames >= 7200 else self.frames + 1)
        return self._failing(1.0), self._failing(1.75)

    def _failing(self, escalation: float) -> bool:
        if self.frames < 30:
            return False
        adjusted = (self.mean - self.long) * self.sensitivity / escalation
        if adjusted < 0.38:
            return False
        return adjusted > 0.78 or adjusted > (self.short - self.long) * 3.8


@dataclass(slots=True)
class InARow:
    """Three pictures in a row over the threshold warn; two more pause."""

    threshold: float = 0.5
    run: int = 0

    def see(self, score: float) -> tuple[bool, bool]:
        self.run = self.run + 1 if score >= self.threshold else 0
        return self.run >= 3, self.run >= 5


@dataclass(slots=True)
class Votes:
    """PrintGuard's vote: two of the last five pictures over the threshold warn; the next vote pauses.

    Source: PrintGuard's configuration, DETECTION_VOTING_WINDOW 5 and DETECTION_VOTING_THRESHOLD 2. PrintGuard
    alerts once and then acts after a countdown of 60 s; here the alert is the warning, and the pause follows
    when the vote has held for two more pictures.
    """

    threshold: float = 0.5
    window: deque[bool] = field(default_factory=lambda: deque(maxlen=5))
    held: int = 0

    def see(self, score: float) -> tuple[bool, bool]:
        self.window.append(score >= self.threshold)
        won = sum(self.window) >= 2
        self.held = self.held + 1 if won else 0
        return won, self.held >= 3


@dataclass(slots=True)
class ExponentialMean:
    """An exponential mean of the scores over a threshold; half-way from there to certainty it pauses."""

    threshold: float = 0.5
    mean: float = 0.0

    def see(self, score: float) -> tuple[bool, bool]:
        self.mean += 0.25 * (score - self.mean)
        return self.mean >= self.threshold, self.mean >= (1 + self.threshold) / 2
