"""Which picture to review next: the one that would teach the model most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from layerwatch.learning import near, repository
from layerwatch.learning.repository import Example
from layerwatch.learning.verdicts import FAILED

CANDIDATES = 1000
"""Of the waiting pictures the newest are ranked."""

KNOWN = 5000
"""Novelty is measured against the newest reviewed pictures."""

DISAGREEMENT_WEIGHT = 2.0
"""Two models that disagree count twice: one of them is wrong, whatever the client said."""

NOVEL_BITS = 64
"""Difference of two hashes from which a picture is wholly new: what different prints differ in at least."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Why a picture is worth a review; each 0..1.

    uncertainty: how near the model's probability is to 0.5.  surprise: how far it is from what the client
    said.  disagreement: of the two models that are being compared.
    """

    uncertainty: float
    surprise: float
    disagreement: float

    @classmethod
    def of(cls, example: Example) -> Worth:
        """Of a picture without a probability: as if the model had no opinion."""
        row = example.row
        probability = 0.5 if row.failure_probability is None else row.failure_probability
        failed = example.feedback.kind in FAILED
        second = probability if row.second_probability is None else row.second_probability
        return cls(
            uncertainty=1 - abs(2 * probability - 1),
            surprise=1 - probability if failed else probability,
            disagreement=abs(probability - second),
        )

    @property
    def total(self) -> float:
        """The sum by which pictures are ranked, before novelty."""
        return self.uncertainty + self.surprise + DISAGREEMENT_WEIGHT * self.disagreement


def queue(session: Session, limit: int = 50, *, reviewer: str | None = None) -> list[Example]:
    """Pictures without a label, the most instructive first, in turns over accounts and printers.

    reviewer: who asks; what they have reviewed is left out (a second person has to agree).
    """
    newest = repository.waiting(session, CANDIDATES, reviewer=reviewer)
    once = {(one.row.account_id, one.row.sha256): one for one in newest}
    return rank(list(once.values()), repository.labelled_dhashes(session, KNOWN), limit)


def rank(waiting: Sequence[Example], known: Sequence[str], limit: int) -> list[Example]:
    """The best `limit` of the waiting pictures in the order of their review.

    known: hashes of reviewed pictures. A picture's novelty is its distance to the nearest of them and of
    those before it in the queue. Each printer gets its second turn after every other had its first.
    """
    hashes = near.unpack([one.row.dhash or "0" * (near.BITS // 4) for one in waiting])
    hashed = np.array([one.row.dhash is not None for one in waiting], bool)
    novelty = np.ones(len(waiting))
    if known:
        seen = near.unpack(known)
        for place in np.flatnonzero(hashed):
            novelty[place] = min(near.distances(hashes[place], seen).min() / NOVEL_BITS, 1.0)
    worth = np.array([Worth.of(one).total for one in waiting])
    printers = [(one.row.account_id, one.feedback.printer) for one in waiting]
    left, turn, ordered = set(range(len(waiting))), set[tuple[int, str | None]](), list[Example]()
    while left and len(ordered) < limit:
        in_turn = [place for place in left if printers[place] not in turn]
        if not in_turn:
            turn.clear()
            continue
        best = max(in_turn, key=lambda place: (worth[place] + novelty[place], -place))
        left.remove(best)
        turn.add(printers[best])
        ordered.append(waiting[best])
        if hashed[best]:
            novelty = np.minimum(novelty, _novelty(hashes[best], hashes, hashed))
    return ordered


def _novelty(one: near.Hash, others: near.Hashes, hashed: near.Mask) -> near.Distances:
    return np.where(hashed, np.minimum(near.distances(one, others) / NOVEL_BITS, 1.0), 1.0)
