"""Deleting feedback with its pictures: on request, when consent is withdrawn, and when its time is over.

What is derived from a deleted picture is known by the picture's hash: the hash goes on a list, by which
training sets that were exported before drop it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from layerwatch.identity.repository import get_account
from layerwatch.learning import repository
from layerwatch.learning.examples import ORPHAN_AGE, ExampleName, ExampleStore
from layerwatch.learning.models import ExampleRow
from layerwatch.learning.service import find_used, lock_pictures, name_of
from layerwatch.storage import Database

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
    found = repository.feedback_ids(
        session, BATCH, ids=ids, account_id=account_id, context_id=context_id, before=before
    )
    gone = repository.delete_examples(session, feedback_ids=found)
    repository.delete_feedback(session, found)
    return Deleted(len(found), _withdrawn(session, gone, now))


def withdraw_consent(database: Database, examples: ExampleStore, account_id: int, now: datetime) -> int:
    """End an account's consent and delete all its pictures; how many. What it said of its prints stays.

    Raises StorageUnavailable; from the first transaction on no picture of it is kept, reviewed or exported.
    """

    def end(session: Session) -> None:
        lock_pictures(session, account_id)
        get_account(session, account_id).share_pictures = False

    def some(session: Session) -> frozenset[ExampleName]:
        gone = repository.delete_examples(session, account_id=account_id, limit=BATCH)
        return _withdrawn(session, gone, now)

    database.transact(end)
    deleted = 0
    while pictures := database.transact(some):
        examples.delete(pictures)
        deleted += len(pictures)
    delete_orphans(database, examples, account_id=account_id, age=IN_FLIGHT)
    return deleted


def delete_withdrawn(database: Database, examples: ExampleStore, hashes: Sequence[str], now: datetime) -> int:
    """Delete the pictures with these hashes, such as a restored backup brought back; how many.

    hashes: as `repository.withdrawn` returned them. They are on the list afterwards.
    """
    deleted = 0
    for start in range(0, len(hashes), BATCH):
        some = hashes[start : start + BATCH]

        def work(session: Session, some: Sequence[str] = some) -> frozenset[ExampleName]:
            gone = repository.delete_examples(session, hashes=some)
            repository.list_withdrawn(session, some, now)
            return frozenset(map(name_of, gone))

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


def _withdrawn(session: Session, gone: Sequence[ExampleRow], now: datetime) -> frozenset[ExampleName]:
    """Put deleted pictures on the list; where their objects are."""
    repository.list_withdrawn(session, {row.sha256 for row in gone}, now)
    return frozenset(map(name_of, gone))
