"""Deleting feedback with its pictures: on request, when consent is withdrawn, and when its time is over.

What is derived from a deleted picture is known by the picture's hash: the hash goes on a list, by which
training sets that were exported before drop it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from layerwatch.identity.models import Account
from layerwatch.learning.examples import ORPHAN_AGE, ExampleName, ExampleStore
from layerwatch.learning.models import ExampleReviewRow, ExampleRow, FeedbackRow, WithdrawnPictureRow
from layerwatch.learning.service import find_used, lock_pictures, name_of
from layerwatch.storage import Database
from layerwatch.storage.base import is_sqlite

log = structlog.get_logger(__name__)

BATCH = 500
"""Rows in one transaction."""

IN_FLIGHT = timedelta(minutes=2)
"""An object without a row that is younger may belong to a call under way."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many rows were deleted, and the pictures to which they referred."""

    rows: int
    pictures: frozenset[ExampleName]


def delete_feedback(
    session: Session,
    *,
    now: datetime,
    ids: Collection[int] | None = None,
    account_id: int | None = None,
    context_id: str | None = None,
    before: datetime | None = None,
) -> Deleted:
    """Delete the feedback for which everything that is given holds, at most `BATCH` rows, oldest first.

    At least one has to be given. The objects are deleted after the commit, by `ExampleStore.delete`.
    """
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
    found = session.scalars(select(FeedbackRow.id).where(*wanted).order_by(FeedbackRow.id).limit(BATCH)).all()
    pictures = _delete_examples(session, now, ExampleRow.feedback_id.in_(found))
    session.execute(delete(FeedbackRow).where(FeedbackRow.id.in_(found)))
    return Deleted(len(found), pictures)


def withdraw_consent(database: Database, examples: ExampleStore, account_id: int, now: datetime) -> int:
    """End an account's consent and delete all its pictures; how many. What it said of its prints stays.

    Raises StorageUnavailable; from the first transaction on no picture of it is kept, reviewed or exported.
    """

    def end(session: Session) -> None:
        lock_pictures(session, account_id)
        session.get_one(Account, account_id).share_pictures = False

    def some(session: Session) -> frozenset[ExampleName]:
        of_account = select(ExampleRow.id).where(ExampleRow.account_id == account_id)
        ids = session.scalars(of_account.order_by(ExampleRow.id).limit(BATCH)).all()
        return _delete_examples(session, now, ExampleRow.id.in_(ids))

    database.transact(end)
    deleted = 0
    while pictures := database.transact(some):
        examples.delete(pictures)
        deleted += len(pictures)
    delete_orphans(database, examples, account_id=account_id, age=IN_FLIGHT)
    return deleted


def withdrawn(session: Session) -> Sequence[str]:
    """SHA-256 of every picture that was deleted, in order."""
    return session.scalars(select(WithdrawnPictureRow.sha256).order_by(WithdrawnPictureRow.sha256)).all()


def delete_withdrawn(database: Database, examples: ExampleStore, hashes: Sequence[str], now: datetime) -> int:
    """Delete the pictures with these hashes, such as a restored backup brought back; how many.

    hashes: as `withdrawn` returned them. They are on the list afterwards.
    """
    deleted = 0
    for start in range(0, len(hashes), BATCH):
        some = hashes[start : start + BATCH]

        def work(session: Session, some: Sequence[str] = some) -> frozenset[ExampleName]:
            gone = _delete_examples(session, now, ExampleRow.sha256.in_(some))
            _list(session, some, now)
            return gone

        pictures = database.transact(work)
        examples.delete(pictures)
        deleted += len(pictures)
    return deleted


def delete_orphans(
    database: Database, examples: ExampleStore, *, account_id: int | None = None, age: timedelta
) -> int:
    """Delete objects that no row refers to, older than `age`; how many."""
    return examples.delete_orphans(
        lambda names: find_used(database, names), datetime.now(UTC), account_id=account_id, age=age
    )


class FeedbackSweeper:
    """Deletes feedback that is older than `keep`, and pictures that no row refers to."""

    def __init__(self, database: Database, examples: ExampleStore, keep: timedelta) -> None:
        self._database = database
        self._examples = examples
        self._keep = keep

    def sweep(self, now: datetime) -> None:
        """Do it. Raises StorageError."""
        rows, more = 0, True
        while more:
            gone = self._database.transact(delete_feedback, now=now, before=now - self._keep)
            self._examples.delete(gone.pictures)
            rows += gone.rows
            more = gone.rows == BATCH
        pictures = delete_orphans(self._database, self._examples, age=ORPHAN_AGE)
        if rows or pictures:
            log.info("feedback_swept", rows=rows, pictures=pictures)


def _delete_examples(session: Session, now: datetime, wanted: ColumnElement[bool]) -> frozenset[ExampleName]:
    """Delete rows of pictures with their reviews, and put the hashes on the list."""
    rows = session.scalars(select(ExampleRow).where(wanted)).all()
    if not rows:
        return frozenset()
    ids = [row.id for row in rows]
    session.execute(delete(ExampleReviewRow).where(ExampleReviewRow.example_id.in_(ids)))
    session.execute(delete(ExampleRow).where(ExampleRow.id.in_(ids)))
    hashes = {row.sha256 for row in rows}
    still_kept = select(ExampleRow.sha256).where(ExampleRow.sha256.in_(hashes))  # by somebody else
    _list(session, sorted(hashes - set(session.scalars(still_kept))), now)
    return frozenset(map(name_of, rows))


def _list(session: Session, hashes: Sequence[str], now: datetime) -> None:
    if hashes:
        rows = [{"sha256": one, "at": now} for one in hashes]
        insert = sqlite_insert if is_sqlite(session) else postgresql_insert
        session.execute(insert(WithdrawnPictureRow).on_conflict_do_nothing(), rows)
