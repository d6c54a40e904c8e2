"""Reviewing: what a picture's label is, and who said so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from layerwatch.identity.models import Account
from layerwatch.learning.errors import LearningError
from layerwatch.learning.models import ExampleReviewRow, ExampleRow, FeedbackRow
from layerwatch.vision.evidence import KINDS

LABELS: tuple[str, ...] = ("good", "failed", "other")
"""A reviewer's labels, the same as the training index uses; `other` is left out of training."""


class Example(NamedTuple):
    """A picture, and the feedback that it was kept with."""

    row: ExampleRow
    feedback: FeedbackRow


class Reviewed(NamedTuple):
    """One entry of the history."""

    review: ExampleReviewRow
    example: ExampleRow
    verdict: str


def find(session: Session, example_id: int) -> Example:
    """A picture that may be reviewed. Raises LearningError when there is none of this number.

    Not one of an account without consent.
    """
    found = session.execute(
        select(ExampleRow, FeedbackRow).join(*_FEEDBACK).where(ExampleRow.id == example_id, shared())
    ).one_or_none()
    if found is None:
        raise LearningError(f"no picture {example_id} to review: see `layerwatch feedback queue`")
    return Example(*found)


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
    mine = ExampleReviewRow(
        example_id=row.id, label=label, failure_type=failure_type if label == "failed" else None, by=by, at=at
    )
    session.add(mine)
    session.flush()
    settled = _settled(session, row) if two_people else mine
    copies = select(ExampleRow).where(
        ExampleRow.account_id == row.account_id, ExampleRow.sha256 == row.sha256
    )
    for copy in session.scalars(copies):
        copy.label = settled.label if settled else None
        copy.failure_type = settled.failure_type if settled else None
        copy.reviewed_at = settled.at if settled else None
    session.flush()
    return row


def reviewed_by(session: Session, example_id: int, reviewer: str) -> ExampleReviewRow | None:
    """A reviewer's own last review of a picture."""
    mine = select(ExampleReviewRow).where(
        ExampleReviewRow.example_id == example_id, ExampleReviewRow.by == reviewer
    )
    return session.scalars(mine.order_by(ExampleReviewRow.id.desc()).limit(1)).one_or_none()


def history(session: Session, limit: int, *, reviewer: str | None = None) -> Sequence[Reviewed]:
    """The newest reviews first, of pictures that are still kept.

    reviewer: who asks; others' reviews of pictures without a settled label are left out, so that a second
    opinion is the reviewer's own. None: everything.
    """
    wanted = (
        select(ExampleReviewRow, ExampleRow, FeedbackRow.kind)
        .join(ExampleRow, ExampleRow.id == ExampleReviewRow.example_id)
        .join(*_FEEDBACK)
        .where(shared())
    )
    if reviewer is not None:
        wanted = wanted.where(or_(ExampleReviewRow.by == reviewer, ExampleRow.label.is_not(None)))
    newest = wanted.order_by(ExampleReviewRow.at.desc(), ExampleReviewRow.id.desc()).limit(limit)
    return [Reviewed(*row) for row in session.execute(newest)]


def reviewed(session: Session) -> Sequence[Example]:
    """Every picture with a settled label once, oldest first: of several copies the newest label counts."""
    rows = session.execute(
        select(ExampleRow, FeedbackRow)
        .join(*_FEEDBACK)
        .where(ExampleRow.label.is_not(None), shared())
        .order_by(ExampleRow.reviewed_at, ExampleRow.id)
    )
    last = {row.sha256: Example(row, feedback) for row, feedback in rows}
    return sorted(last.values(), key=lambda one: one.row.id)


def shared() -> ColumnElement[bool]:
    """Whether a picture's account consents: nothing else is ever reviewed or exported."""
    return ExampleRow.account_id.in_(select(Account.id).where(Account.share_pictures.is_(True)))


_FEEDBACK = (FeedbackRow, FeedbackRow.id == ExampleRow.feedback_id)
"""Joins a picture's feedback."""


def _settled(session: Session, row: ExampleRow) -> ExampleReviewRow | None:
    """The newest review with the label that at least two people gave last; None while there is none."""
    reviews = session.scalars(
        select(ExampleReviewRow).where(ExampleReviewRow.example_id == row.id).order_by(ExampleReviewRow.id)
    )
    last = {one.by: one for one in reviews}
    counts = Counter(one.label for one in last.values())
    label, people = counts.most_common(1)[0]
    if people < 2 or list(counts.values()).count(people) > 1:
        return None
    return max((one for one in last.values() if one.label == label), key=lambda one: one.id)
