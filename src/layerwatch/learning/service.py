"""Rules of feedback: recording it with its pictures, and taking it back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from layerwatch.identity.models import Account
from layerwatch.learning import limits
from layerwatch.learning.examples import ExampleName
from layerwatch.learning.models import ExampleRow, FeedbackRow, WithdrawnPictureRow
from layerwatch.learning.recent import RecentPicture
from layerwatch.learning.verdicts import FAILED, FeedbackDetails
from layerwatch.storage import Database
from layerwatch.storage.locks import take_turns


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture whose object is written. dhash: see `near.dhash`."""

    name: ExampleName
    dhash: str
    picture: RecentPicture


class Recorded(NamedTuple):
    """A feedback, and the pictures that are kept with it now."""

    row: FeedbackRow
    kept: frozenset[ExampleName]


class TakenBack(NamedTuple):
    """kind: of the feedback that is gone; None if there was none.  pictures: whose rows went with it."""

    kind: str | None
    pictures: frozenset[ExampleName]


def consents(session: Session, account_id: int) -> bool:
    """Whether the account lets pictures be kept for training."""
    return bool(session.scalar(select(Account.share_pictures).where(Account.id == account_id)))


def lock_pictures(session: Session, account_id: int) -> None:
    """Wait for other transactions that record or withdraw pictures of the account."""
    take_turns(session, f"feedback of account {account_id}")


def record(
    session: Session,
    *,
    account_id: int,
    context_id: str,
    kind: str,
    at: datetime,
    newest: RecentPicture | None,
    pictures: Sequence[StoredPicture] = (),
    details: FeedbackDetails | None = None,
    printer: str | None = None,
) -> Recorded:
    """Keep one feedback, with those of its pictures that may be kept.

    kind: one of `verdicts.VERDICTS`.  newest: the print's newest picture, where it was at hand.  pictures: of
    it and from before it, newest first. The same verdict on the same picture is one row; a repeat replaces
    its details. Raises FeedbackLimitReached.
    """
    details = details or FeedbackDetails()
    lock_pictures(session, account_id)
    before = _same(session, context_id, kind, newest)
    if before is not None:
        before.reported_type = details.failure_type or before.reported_type
        before.comment = details.comment or before.comment
        return Recorded(before, frozenset())
    limits.check(session, account_id, context_id, at)
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
    if not (details.share_images and consents(session, account_id)):
        return Recorded(row, frozenset())
    return Recorded(row, _add_examples(session, row, pictures))


def find_used(database: Database, names: Collection[ExampleName]) -> set[ExampleName]:
    """Which of these pictures any row refers to. Raises StorageUnavailable."""
    with database.read() as session:
        key = (ExampleRow.account_id, ExampleRow.folder, ExampleRow.sha256)
        return {ExampleName(*row) for row in session.execute(select(*key).where(tuple_(*key).in_(names)))}


def failure_reported(session: Session, context_id: str) -> bool:
    """Whether somebody said that this print failed."""
    found = select(FeedbackRow.id).where(FeedbackRow.context_id == context_id, FeedbackRow.kind.in_(FAILED))
    return session.scalars(found.limit(1)).first() is not None


def newest(session: Session, *, account_id: int, context_id: str) -> FeedbackRow | None:
    """The newest feedback on a print."""
    return session.scalars(
        select(FeedbackRow)
        .where(FeedbackRow.account_id == account_id, FeedbackRow.context_id == context_id)
        .order_by(FeedbackRow.id.desc())
        .limit(1)
    ).one_or_none()


def take_back(
    session: Session, *, account_id: int, context_id: str, feedback_id: int | None = None
) -> TakenBack:
    """Remove one feedback on a print, by default the newest, unless one of its pictures has a label."""
    if feedback_id is None:
        row = newest(session, account_id=account_id, context_id=context_id)
    else:
        row = session.get(FeedbackRow, feedback_id)
        if row is not None and (row.account_id, row.context_id) != (account_id, context_id):
            row = None
    if row is None:
        return TakenBack(None, frozenset())
    examples = session.scalars(select(ExampleRow).where(ExampleRow.feedback_id == row.id)).all()
    if any(one.label is not None for one in examples):
        return TakenBack(None, frozenset())
    for one in examples:
        session.delete(one)
    session.delete(row)
    return TakenBack(row.kind, frozenset(map(name_of, examples)))


def name_of(row: ExampleRow) -> ExampleName:
    """Where a row's picture is."""
    return ExampleName(row.account_id, row.folder, row.sha256)


def _same(session: Session, context_id: str, kind: str, newest: RecentPicture | None) -> FeedbackRow | None:
    """The same verdict on the same picture."""
    if newest is None:
        return None
    same = (
        FeedbackRow.context_id == context_id,
        FeedbackRow.kind == kind,
        FeedbackRow.second == newest.second,
    )
    return session.scalars(select(FeedbackRow).where(*same).limit(1)).first()


def _add_examples(
    session: Session, row: FeedbackRow, pictures: Sequence[StoredPicture]
) -> frozenset[ExampleName]:
    """Rows for the newest picture and for those before it that the account has not given yet."""
    hashes = [one.name.sha256 for one in pictures]
    given = set(
        session.scalars(
            select(ExampleRow.sha256).where(
                ExampleRow.account_id == row.account_id, ExampleRow.sha256.in_(hashes)
            )
        )
    )
    left = limits.picture_bytes_left(session, row.account_id, row.at)
    kept = set[ExampleName]()
    for place, one in enumerate(pictures):
        size, evidence = len(one.picture.jpeg), one.picture.evidence
        if size > left or one.name in kept or (place > 0 and one.name.sha256 in given):
            continue
        left -= size
        kept.add(one.name)
        session.add(
            ExampleRow(
                feedback_id=row.id,
                account_id=row.account_id,
                sha256=one.name.sha256,
                folder=one.name.folder,
                size=size,
                dhash=one.dhash,
                failure_probability=evidence.failure_probability,
                model_version=evidence.model_version,
            )
        )
    # Given again with consent: it is no longer withdrawn.
    again = WithdrawnPictureRow.sha256.in_([name.sha256 for name in kept])
    session.execute(delete(WithdrawnPictureRow).where(again))
    session.flush()
    return frozenset(kept)
