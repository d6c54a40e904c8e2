"""Reviewing: what a picture's label is, and who said so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from layerwatch.learning import repository
from layerwatch.learning.errors import LearningError
from layerwatch.learning.models import ExampleReviewRow, ExampleRow
from layerwatch.learning.repository import Example
from layerwatch.vision.evidence import KINDS

LABELS: tuple[str, ...] = ("good", "failed", "other")
"""A reviewer's labels, the same as the training index uses; `other` is left out of training."""


def find(session: Session, example_id: int) -> Example:
    """A picture that may be reviewed. Raises LearningError when there is none of this number.

    Not one of an account without consent.
    """
    found = repository.find_shared(session, example_id)
    if found is None:
        raise LearningError(f"no picture {example_id} to review: see `layerwatch feedback queue`")
    return found


def review(
    session: Session,
    example_id: int,
    *,
    label: str,
    failure_type: str | None,
    by: str,
    at: datetime,
    two_people: bool = False,
) -> ExampleRow:
    """Label one picture. A second review by the same person replaces their first.

    two_people: the label counts once two people have given the same one; else it counts at once. It counts
    for every copy of the picture that the account gave. Raises LearningError.
    """
    if label not in LABELS:
        raise LearningError(f"label {label!r} is not known: use one of {', '.join(LABELS)}")
    if failure_type is not None and failure_type not in KINDS:
        raise LearningError(f"failure type {failure_type!r} is not known: use one of {', '.join(KINDS)}")
    row = find(session, example_id).row
    failure_type = failure_type if label == "failed" else None
    mine = repository.add_review(session, row.id, label=label, failure_type=failure_type, by=by, at=at)
    settled = _settled(repository.reviews_of(session, row.id)) if two_people else mine
    for copy in repository.copies(session, row):
        copy.label = settled.label if settled else None
        copy.failure_type = settled.failure_type if settled else None
        copy.reviewed_at = settled.at if settled else None
    session.flush()
    return row


def reviewed_by(session: Session, example_id: int, reviewer: str) -> ExampleReviewRow | None:
    """A reviewer's own last review of a picture."""
    mine = [one for one in repository.reviews_of(session, example_id) if one.by == reviewer]
    return mine[-1] if mine else None


def reviewed(session: Session) -> Sequence[Example]:
    """Every picture with a settled label once, oldest first: of several copies the newest label counts."""
    last = {one.row.sha256: one for one in repository.labelled(session)}
    return sorted(last.values(), key=lambda one: one.row.id)


def _settled(reviews: Sequence[ExampleReviewRow]) -> ExampleReviewRow | None:
    """The newest review with the label that at least two people gave last; None while there is none."""
    last = {one.by: one for one in reviews}
    counts = Counter(one.label for one in last.values())
    label, people = counts.most_common(1)[0]
    if people < 2 or list(counts.values()).count(people) > 1:
        return None
    return max((one for one in last.values() if one.label == label), key=lambda one: one.id)
