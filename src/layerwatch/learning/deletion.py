"""Deleting feedback with its pictures: when somebody asks for it, and when its time is over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from layerwatch.learning.examples import ExampleStore
from layerwatch.learning.models import FeedbackRow
from layerwatch.learning.service import find_used
from layerwatch.storage import Database, StorageUnavailable

log = structlog.get_logger(__name__)

BATCH = 500
"""Rows in one transaction."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many rows were deleted, and the pictures that they referred to, which others may do, too."""

    rows: int
    pictures: frozenset[str]


def delete_feedback(
    session: Session,
    *,
    ids: Collection[int] | None = None,
    account_id: int | None = None,
    context_id: str | None = None,
    before: datetime | None = None,
) -> Deleted:
    """Delete the feedback for which everything that is given holds, at most `BATCH` rows, oldest first.

    At least one has to be given. The files are removed after the commit, by `remove_pictures`.
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
    found = session.execute(
        select(FeedbackRow.id, FeedbackRow.picture).where(*wanted).order_by(FeedbackRow.id).limit(BATCH)
    ).all()
    session.execute(delete(FeedbackRow).where(FeedbackRow.id.in_([row.id for row in found])))
    return Deleted(len(found), frozenset(row.picture for row in found if row.picture))


def remove_pictures(database: Database, examples: ExampleStore, pictures: Collection[str]) -> int:
    """Remove the files of deleted feedback that no other feedback refers to; how many.

    Raises StorageUnavailable. Files on other nodes are removed by those nodes' next sweep.
    """
    try:
        return examples.remove(pictures, lambda names: find_used(database, names))
    except OSError as error:
        raise StorageUnavailable(f"pictures cannot be removed: {error.strerror}") from error


class FeedbackSweeper:
    """Deletes feedback that is older than `keep`, and files that no feedback refers to."""

    def __init__(self, database: Database, examples: ExampleStore, keep: timedelta) -> None:
        self._database = database
        self._examples = examples
        self._keep = keep

    def sweep(self, now: datetime) -> None:
        """Do it. Raises StorageError."""
        rows, more = 0, True
        while more:
            gone = self._database.transact(delete_feedback, before=now - self._keep)
            remove_pictures(self._database, self._examples, gone.pictures)
            rows += gone.rows
            more = gone.rows == BATCH
        try:
            files = self._examples.remove_orphans(lambda names: find_used(self._database, names))
        except OSError as error:
            raise StorageUnavailable(f"pictures cannot be removed: {error.strerror}") from error
        if rows or files:
            log.info("feedback_swept", rows=rows, files=files)
