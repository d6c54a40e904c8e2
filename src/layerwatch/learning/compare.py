"""May a candidate replace the active model? Both judged on the same reviewed pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Score = Callable[[bytes], float]
"""JPEG → failure probability, 0..1."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """AUROC of both on the same pictures, and how the candidate's verdict differs at 0.5.

    auroc_active, auroc_candidate: 0..1, or None where a label is missing among the pictures.
    mended: pictures that the active model gets wrong and the candidate right.  broken: the other way.
    """

    pictures: int
    auroc_active: float | None
    auroc_candidate: float | None
    mended: int
    broken: int

    @property
    def better(self) -> bool:
        """True when the candidate mends more than it breaks and ranks no worse."""
        ranks = (
            self.auroc_active is None
            or self.auroc_candidate is None
            or self.auroc_candidate >= self.auroc_active
        )
        return ranks and self.mended > self.broken


def compare(pictures: Sequence[tuple[bytes, bool]], active: Score, candidate: Score) -> Comparison:
    """Score every (JPEG, failed?) picture with both models."""
    truth = [failed for _, failed in pictures]
    ours = [active(jpeg) for jpeg, _ in pictures]
    theirs = [candidate(jpeg) for jpeg, _ in pictures]
    right_before = [(p >= 0.5) == t for p, t in zip(ours, truth, strict=True)]
    right_after = [(p >= 0.5) == t for p, t in zip(theirs, truth, strict=True)]
    return Comparison(
        pictures=len(pictures),
        auroc_active=auroc(truth, ours),
        auroc_candidate=auroc(truth, theirs),
        mended=sum(a and not b for b, a in zip(right_before, right_after, strict=True)),
        broken=sum(b and not a for b, a in zip(right_before, right_after, strict=True)),
    )


def auroc(truth: Sequence[bool], scores: Sequence[float]) -> float | None:
    """Chance that a failed picture scores above a good one, ties counted half (Mann-Whitney U)."""
    failed = [s for s, t in zip(scores, truth, strict=True) if t]
    good = [s for s, t in zip(scores, truth, strict=True) if not t]
    if not failed or not good:
        return None
    wins = sum((f > g) + 0.5 * (f == g) for f in failed for g in good)
    return wins / (len(failed) * len(good))
