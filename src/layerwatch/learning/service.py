"""Rules of feedback: recording it with its pictures, and taking it back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from layerwatch.identity.repository import shares_pictures
from layerwatch.learning import limits, repository
from layerwatch.learning.examples import ExampleName
from layerwatch.learning.models import ExampleRow, FeedbackRow
from layerwatch.learning.recent import RecentPicture
from layerwatch.learning.verdicts import FeedbackDetails
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
    before = repository.same_feedback(session, context_id, kind, newest.second) if newest else None
    if before is not None:
        before.reported_type = details.failure_type or before.reported_type
        before.comment = details.comment or before.comment
        return Recorded(before, frozenset())
    limits.check(session, account_id, context_id, at)
    row = repository.add_feedback(
        session,
        account_id=account_id,
        context_id=context_id,
        kind=kind,
        at=at,
        newest=newest,
        details=details,
        printer=printer,
    )
    if not (details.share_images and shares_pictures(session, account_id)):
        return Recorded(row, frozenset())
    return Recorded(row, _add_examples(session, row, pictures))


def find_used(database: Database, names: Collection[ExampleName]) -> set[ExampleName]:
    """Which of these pictures any row refers to. Raises StorageUnavailable."""
    with database.read() as session:
        return repository.names_in_use(session, names)


def take_back(
    session: Session, *, account_id: int, context_id: str, feedback_id: int | None = None
) -> TakenBack:
    """Remove one feedback on a print, by default the newest, unless one of its pictures has a label."""
    if feedback_id is None:
        row = repository.newest_feedback(session, account_id, context_id)
    else:
        row = repository.find_feedback(session, feedback_id)
        if row is not None and (row.account_id, row.context_id) != (account_id, context_id):
            row = None
    if row is None or any(one.label is not None for one in repository.examples_of(session, [row.id])):
        return TakenBack(None, frozenset())
    gone = repository.delete_examples(session, feedback_ids=[row.id])
    repository.delete_feedback(session, [row.id])
    return TakenBack(row.kind, frozenset(map(name_of, gone)))


def name_of(row: ExampleRow) -> ExampleName:
    """Where a row's picture is."""
    return ExampleName(row.account_id, row.folder, row.sha256)


def _add_examples(
    session: Session, row: FeedbackRow, pictures: Sequence[StoredPicture]
) -> frozenset[ExampleName]:
    """Rows for the newest picture and for those before it that the account has not given yet."""
    given = repository.hashes_given(session, row.account_id, [one.name.sha256 for one in pictures])
    left = limits.picture_bytes_left(session, row.account_id, row.at)
    kept = set[ExampleName]()
    for place, one in enumerate(pictures):
        size = len(one.picture.jpeg)
        if size > left or one.name in kept or (place > 0 and one.name.sha256 in given):
            continue
        left -= size
        kept.add(one.name)
        repository.add_example(session, row, one.name, one.dhash, one.picture)
    repository.unlist_withdrawn(session, [name.sha256 for name in kept])
    session.flush()
    return frozenset(kept)
