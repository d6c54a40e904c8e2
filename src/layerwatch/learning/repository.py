"""Every statement on feedback, the pictures behind it, their reviews, and the list of withdrawn pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from layerwatch.identity.repository import sharing_accounts
from layerwatch.learning.examples import MOVED, ExampleName
from layerwatch.learning.models import ExampleReviewRow, ExampleRow, FeedbackRow, WithdrawnPictureRow
from layerwatch.learning.recent import RecentPicture
from layerwatch.learning.verdicts import FAILED, FeedbackDetails
from layerwatch.storage.base import is_sqlite

_FEEDBACK = (FeedbackRow, FeedbackRow.id == ExampleRow.feedback_id)
"""Joins a picture's feedback."""


class Example(NamedTuple):
    """A picture, and the feedback that it was kept with."""

    row: ExampleRow
    feedback: FeedbackRow


class Reviewed(NamedTuple):
    """One entry of the history."""

    review: ExampleReviewRow
    example: ExampleRow
    verdict: str


class GivenToday(NamedTuple):
    """What an account gave since a moment: how often, when first, and bytes of pictures."""

    feedback: int
    first: datetime | None
    picture_bytes: int


# Feedback


def add_feedback(
    session: Session,
    *,
    account_id: int,
    context_id: str,
    kind: str,
    at: datetime,
    newest: RecentPicture | None,
    details: FeedbackDetails,
    printer: str | None,
) -> FeedbackRow:
    """Add one feedback."""
    row = FeedbackRow(
        account_id=account_id,
        context_id=context_id,
        at=at,
        kind=kind,
        failure_probability=newest.evidence.failure_probability if newest else None,
        model_version=newest.evidence.model_version if newest else None,
        second=newest.second if newest else None,
        printer=printer,
        reported_type=details.failure_type,
        comment=details.comment,
    )
    session.add(row)
    session.flush()
    return row


def find_feedback(session: Session, feedback_id: int) -> FeedbackRow | None:
    """One feedback."""
    return session.get(FeedbackRow, feedback_id)


def same_feedback(session: Session, context_id: str, kind: str, second: float) -> FeedbackRow | None:
    """The same verdict on a print at the same second."""
    same = (FeedbackRow.context_id == context_id, FeedbackRow.kind == kind, FeedbackRow.second == second)
    return session.scalars(select(FeedbackRow).where(*same).limit(1)).first()


def newest_feedback(session: Session, account_id: int, context_id: str) -> FeedbackRow | None:
    """The newest feedback on a print."""
    of_print = select(FeedbackRow).where(
        FeedbackRow.account_id == account_id, FeedbackRow.context_id == context_id
    )
    return session.scalars(of_print.order_by(FeedbackRow.id.desc()).limit(1)).one_or_none()


def feedback_of_print(session: Session, account_id: int, context_id: str) -> Sequence[FeedbackRow]:
    """All feedback on a print, oldest first."""
    of_print = select(FeedbackRow).where(
        FeedbackRow.account_id == account_id, FeedbackRow.context_id == context_id
    )
    return session.scalars(of_print.order_by(FeedbackRow.id)).all()


def feedback_since(session: Session, account_id: int, since: datetime) -> Sequence[FeedbackRow]:
    """An account's feedback from a moment on, oldest first."""
    wanted = select(FeedbackRow).where(FeedbackRow.account_id == account_id, FeedbackRow.at >= since)
    return session.scalars(wanted.order_by(FeedbackRow.id)).all()


def feedback_of_account(session: Session, account_id: int, limit: int) -> Sequence[FeedbackRow]:
    """An account's feedback, newest first."""
    wanted = select(FeedbackRow).where(FeedbackRow.account_id == account_id)
    return session.scalars(wanted.order_by(FeedbackRow.id.desc()).limit(limit)).all()


def newest_kinds(session: Session, context_ids: Collection[str]) -> dict[str, str]:
    """The kind of the newest feedback on each of these prints that has any."""
    wanted = select(FeedbackRow.context_id, FeedbackRow.kind).where(FeedbackRow.context_id.in_(context_ids))
    return {row.context_id: row.kind for row in session.execute(wanted.order_by(FeedbackRow.id))}


def failure_reported(session: Session, context_id: str) -> bool:
    """Whether somebody said that this print failed."""
    found = select(FeedbackRow.id).where(FeedbackRow.context_id == context_id, FeedbackRow.kind.in_(FAILED))
    return session.scalars(found.limit(1)).first() is not None


def count_of_print(session: Session, context_id: str) -> int:
    """How often feedback was given on a print."""
    return session.scalar(select(func.count()).where(FeedbackRow.context_id == context_id)) or 0


def given_since(session: Session, account_id: int, after: datetime) -> GivenToday:
    """What an account gave after a moment."""
    of_account = and_(FeedbackRow.account_id == account_id, FeedbackRow.at > after)
    count, first = session.execute(select(func.count(), func.min(FeedbackRow.at)).where(of_account)).one()
    stored = session.scalar(select(func.sum(ExampleRow.size)).join(*_FEEDBACK).where(of_account))
    return GivenToday(count, first, int(stored or 0))


def feedback_ids(
    session: Session,
    limit: int,
    *,
    ids: Collection[int] | None = None,
    account_id: int | None = None,
    context_id: str | None = None,
    before: datetime | None = None,
) -> Sequence[int]:
    """The oldest feedback for which everything that is given holds. Raises ValueError when nothing is."""
    wanted: list[ColumnElement[bool]] = []
    if ids is not None:
        wanted.append(FeedbackRow.id.in_(ids))
    if account_id is not None:
        wanted.append(FeedbackRow.account_id == account_id)
    if context_id is not None:
        wanted.append(FeedbackRow.context_id == context_id)
    if before is not None:
        wanted.append(FeedbackRow.at < before)
    if not wanted:
        raise ValueError("say which feedback to delete")
    return session.scalars(select(FeedbackRow.id).where(*wanted).order_by(FeedbackRow.id).limit(limit)).all()


def delete_feedback(session: Session, ids: Collection[int]) -> None:
    """Delete rows of feedback; their pictures go before."""
    session.execute(delete(FeedbackRow).where(FeedbackRow.id.in_(ids)))


# Pictures


def add_example(
    session: Session, feedback: FeedbackRow, name: ExampleName, dhash: str, picture: RecentPicture
) -> None:
    """Add a picture that is stored."""
    session.add(
        ExampleRow(
            feedback_id=feedback.id,
            account_id=name.account_id,
            sha256=name.sha256,
            folder=name.folder,
            size=len(picture.jpeg),
            dhash=dhash,
            failure_probability=picture.evidence.failure_probability,
            model_version=picture.evidence.model_version,
        )
    )


def find_example(session: Session, example_id: int) -> ExampleRow | None:
    """One picture, whatever its account's consent."""
    return session.get(ExampleRow, example_id)


def find_shared(session: Session, example_id: int) -> Example | None:
    """One picture, if its account consents."""
    wanted = select(ExampleRow, FeedbackRow).join(*_FEEDBACK).where(ExampleRow.id == example_id, _shared())
    found = session.execute(wanted).one_or_none()
    return None if found is None else Example(*found)


def examples_of(session: Session, feedback_ids: Collection[int]) -> Sequence[ExampleRow]:
    """The pictures that are kept with some feedback, in the order in which they were added."""
    wanted = select(ExampleRow).where(ExampleRow.feedback_id.in_(feedback_ids))
    return session.scalars(wanted.order_by(ExampleRow.id)).all()


def copies(session: Session, row: ExampleRow) -> Sequence[ExampleRow]:
    """Every row of the same picture of the same account."""
    same = (ExampleRow.account_id == row.account_id, ExampleRow.sha256 == row.sha256)
    return session.scalars(select(ExampleRow).where(*same)).all()


def hashes_given(session: Session, account_id: int, hashes: Collection[str]) -> set[str]:
    """Which of these pictures an account has given."""
    wanted = (ExampleRow.account_id == account_id, ExampleRow.sha256.in_(hashes))
    return set(session.scalars(select(ExampleRow.sha256).where(*wanted)))


def names_in_use(session: Session, names: Collection[ExampleName]) -> set[ExampleName]:
    """Which of these objects any row refers to."""
    key = (ExampleRow.account_id, ExampleRow.folder, ExampleRow.sha256)
    return {ExampleName(*row) for row in session.execute(select(*key).where(tuple_(*key).in_(names)))}


def moved_examples(session: Session, sha256: str) -> Sequence[ExampleRow]:
    """Rows of a picture that an earlier version kept on one node."""
    wanted = select(ExampleRow).where(ExampleRow.sha256 == sha256, ExampleRow.folder == MOVED)
    return session.scalars(wanted).all()


def delete_examples(
    session: Session,
    *,
    feedback_ids: Collection[int] | None = None,
    account_id: int | None = None,
    hashes: Collection[str] | None = None,
    limit: int | None = None,
) -> Sequence[ExampleRow]:
    """Delete pictures for which one of these holds, with their reviews, oldest first; what the rows were."""
    wanted = select(ExampleRow).order_by(ExampleRow.id).limit(limit)
    if feedback_ids is not None:
        wanted = wanted.where(ExampleRow.feedback_id.in_(feedback_ids))
    elif account_id is not None:
        wanted = wanted.where(ExampleRow.account_id == account_id)
    else:
        wanted = wanted.where(ExampleRow.sha256.in_(hashes or ()))
    rows = session.scalars(wanted).all()
    ids = [row.id for row in rows]
    session.execute(delete(ExampleReviewRow).where(ExampleReviewRow.example_id.in_(ids)))
    session.execute(delete(ExampleRow).where(ExampleRow.id.in_(ids)))
    return rows


# Review


def waiting(session: Session, limit: int, *, reviewer: str | None = None) -> list[Example]:
    """The newest pictures without a label that may be reviewed. reviewer: who has not reviewed them yet."""
    wanted = (
        select(ExampleRow, FeedbackRow)
        .join(*_FEEDBACK)
        .where(ExampleRow.label.is_(None), FeedbackRow.kind != "resumed", _shared())
    )
    if reviewer is not None:
        mine = select(ExampleReviewRow.example_id).where(ExampleReviewRow.by == reviewer)
        wanted = wanted.where(ExampleRow.id.not_in(mine))
    return [Example(*row) for row in session.execute(wanted.order_by(ExampleRow.id.desc()).limit(limit))]


def labelled(session: Session) -> list[Example]:
    """Pictures with a settled label, in the order of their review."""
    wanted = select(ExampleRow, FeedbackRow).join(*_FEEDBACK).where(ExampleRow.label.is_not(None), _shared())
    ordered = wanted.order_by(ExampleRow.reviewed_at, ExampleRow.id)
    return [Example(*row) for row in session.execute(ordered)]


def labelled_dhashes(session: Session, limit: int) -> list[str]:
    """Perceptual hashes of the newest pictures with a label."""
    wanted = select(ExampleRow.dhash).where(ExampleRow.label.is_not(None), ExampleRow.dhash.is_not(None))
    found = session.scalars(wanted.order_by(ExampleRow.id.desc()).limit(limit))
    return [one for one in found if one is not None]


def without_opinion(session: Session, pair: str, limit: int) -> Sequence[ExampleRow]:
    """The newest waiting pictures without a second opinion of this pair of models."""
    new = or_(ExampleRow.second_model.is_(None), ExampleRow.second_model != pair)
    wanted = select(ExampleRow).where(ExampleRow.label.is_(None), new, _shared())
    return session.scalars(wanted.order_by(ExampleRow.id.desc()).limit(limit)).all()


def add_review(
    session: Session, example_id: int, *, label: str, failure_type: str | None, by: str, at: datetime
) -> ExampleReviewRow:
    """Add what one reviewer said."""
    row = ExampleReviewRow(example_id=example_id, label=label, failure_type=failure_type, by=by, at=at)
    session.add(row)
    session.flush()
    return row


def reviews_of(session: Session, example_id: int) -> Sequence[ExampleReviewRow]:
    """What reviewers said of a picture, oldest first."""
    wanted = select(ExampleReviewRow).where(ExampleReviewRow.example_id == example_id)
    return session.scalars(wanted.order_by(ExampleReviewRow.id)).all()


def history(session: Session, limit: int, *, reviewer: str | None = None) -> Sequence[Reviewed]:
    """The newest reviews first, of pictures that are still kept.

    reviewer: who asks; others' reviews of pictures without a settled label are left out, so that a second
    opinion is the reviewer's own. None: everything.
    """
    wanted = (
        select(ExampleReviewRow, ExampleRow, FeedbackRow.kind)
        .join(ExampleRow, ExampleRow.id == ExampleReviewRow.example_id)
        .join(*_FEEDBACK)
        .where(_shared())
    )
    if reviewer is not None:
        wanted = wanted.where(or_(ExampleReviewRow.by == reviewer, ExampleRow.label.is_not(None)))
    newest = wanted.order_by(ExampleReviewRow.at.desc(), ExampleReviewRow.id.desc()).limit(limit)
    return [Reviewed(*row) for row in session.execute(newest)]


def _shared() -> ColumnElement[bool]:
    """Whether a picture's account consents: nothing else is ever reviewed or exported."""
    return ExampleRow.account_id.in_(sharing_accounts())


# Withdrawn pictures


def withdrawn(session: Session) -> Sequence[str]:
    """SHA-256 of every picture that was deleted, in order."""
    return session.scalars(select(WithdrawnPictureRow.sha256).order_by(WithdrawnPictureRow.sha256)).all()


def list_withdrawn(session: Session, hashes: Collection[str], at: datetime) -> None:
    """Put pictures on the list that are not kept any more; those that another row keeps are left out."""
    still_kept = select(ExampleRow.sha256).where(ExampleRow.sha256.in_(hashes))
    gone = sorted(set(hashes) - set(session.scalars(still_kept)))
    if gone:
        insert = sqlite_insert if is_sqlite(session) else postgresql_insert
        rows = [{"sha256": one, "at": at} for one in gone]
        session.execute(insert(WithdrawnPictureRow).on_conflict_do_nothing(), rows)


def unlist_withdrawn(session: Session, hashes: Collection[str]) -> None:
    """Take pictures off the list that were given again with consent."""
    session.execute(delete(WithdrawnPictureRow).where(WithdrawnPictureRow.sha256.in_(hashes)))
