"""Rules of feedback: recording it, reviewing it, and handing the reviewed pictures to training."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.core.private_files import private_folder, replacing
from layerwatch.learning import limits
from layerwatch.learning.errors import LearningError
from layerwatch.learning.examples import ExampleStore
from layerwatch.learning.models import FeedbackRow
from layerwatch.learning.recent import RecentPicture
from layerwatch.storage import Database
from layerwatch.storage.locks import take_turns
from layerwatch.temporal import TEACHERS, UNDO
from layerwatch.vision.evidence import KINDS

KINDS_OF_FEEDBACK: tuple[str, ...] = tuple(sorted(TEACHERS.keys() - {UNDO}))
"""What is kept for review: every kind that a print learns from, but not taking one back."""
MISSED = "missed"
"""A failure that was not seen."""
LABELS: tuple[str, ...] = ("good", "failed", "other")
"""A reviewer's words, the same as the training index uses; `other` is left out of training."""

INDEX_COLUMNS: tuple[str, ...] = (
    "file",
    "source",
    "licence",
    "label",
    "failure_type",
    "view",
    "group",
    "sequence",
    "frame",
    "width",
    "height",
    "label_basis",
    "note",
    "boxes",
)


class Withdrawn(NamedTuple):
    """What was taken back. kind: of the feedback; None if there was none.
    picture: the name of one that it leaves behind, to which other feedback may refer, too."""

    kind: str | None
    picture: str | None


def record(
    session: Session,
    *,
    account_id: int,
    context_id: str,
    kind: str,
    at: datetime,
    recent: RecentPicture | None,
    picture: str | None,
) -> FeedbackRow:
    """Keep one feedback with the picture that it is about, where that was at hand and may be kept.

    picture: name of the example file of `recent`. The same feedback on the same picture is one row.
    Raises FeedbackLimitReached.
    """
    take_turns(session, f"feedback of account {account_id}")
    if picture is not None:
        same = (
            FeedbackRow.context_id == context_id,
            FeedbackRow.picture == picture,
            FeedbackRow.kind == kind,
        )
        before = session.scalars(select(FeedbackRow).where(*same)).first()
        if before is not None:
            return before
    limits.check(session, account_id, context_id, at)
    size = len(recent.jpeg) if recent else 0
    if not limits.may_store(session, account_id, size, at):
        picture = None
    row = FeedbackRow(
        account_id=account_id,
        context_id=context_id,
        at=at,
        kind=kind,
        picture=picture,
        picture_bytes=None if picture is None else size,
        failure_probability=recent.evidence.failure_probability if recent else None,
        model_version=recent.evidence.model_version if recent else None,
    )
    session.add(row)
    session.flush()
    return row


def find_used(database: Database, names: Collection[str]) -> set[str]:
    """Which of these pictures any feedback refers to. Raises StorageUnavailable."""
    with database.read() as session:
        used = session.scalars(select(FeedbackRow.picture).where(FeedbackRow.picture.in_(names)))
        return {name for name in used if name is not None}


def failure_reported(session: Session, context_id: str) -> bool:
    """Whether somebody said that this print failed unseen."""
    found = select(FeedbackRow.id).where(FeedbackRow.context_id == context_id, FeedbackRow.kind == MISSED)
    return session.scalars(found.limit(1)).first() is not None


def newest(session: Session, *, account_id: int, context_id: str) -> FeedbackRow | None:
    """The newest feedback on a print."""
    return session.scalars(
        select(FeedbackRow)
        .where(FeedbackRow.account_id == account_id, FeedbackRow.context_id == context_id)
        .order_by(FeedbackRow.id.desc())
        .limit(1)
    ).one_or_none()


def withdraw(
    session: Session, *, account_id: int, context_id: str, feedback_id: int | None = None
) -> Withdrawn:
    """Remove one feedback on a print, by default the newest, unless a reviewer has labelled its picture."""
    if feedback_id is None:
        row = newest(session, account_id=account_id, context_id=context_id)
    else:
        row = session.get(FeedbackRow, feedback_id)
        if row is not None and (row.account_id, row.context_id) != (account_id, context_id):
            row = None
    if row is None or row.label is not None:
        return Withdrawn(None, None)
    session.delete(row)
    return Withdrawn(row.kind, row.picture)


def queue(session: Session, limit: int = 50) -> Sequence[FeedbackRow]:
    """Feedback with a picture that nobody has labelled, most surprising for the model first.

    A false alarm surprises by a high probability, a miss by a low one.
    """
    rows = session.scalars(
        select(FeedbackRow)
        .where(FeedbackRow.label.is_(None), FeedbackRow.picture.is_not(None), FeedbackRow.kind != "resumed")
        .order_by(FeedbackRow.id.desc())
        .limit(20 * limit)
    ).all()

    def surprise(row: FeedbackRow) -> float:
        probability = row.failure_probability or 0.0
        return probability if row.kind == "false_alarm" else 1 - probability

    return sorted(rows, key=surprise, reverse=True)[:limit]


def review(
    session: Session, feedback_id: int, *, label: str, failure_type: str | None, by: str, at: datetime
) -> FeedbackRow:
    """Label one picture. A second review replaces the first, so that a mistake can be mended."""
    if label not in LABELS:
        raise LearningError(f"label {label!r} is not known: use one of {', '.join(LABELS)}")
    if failure_type is not None and failure_type not in KINDS:
        raise LearningError(f"failure type {failure_type!r} is not known: use one of {', '.join(KINDS)}")
    row = session.get(FeedbackRow, feedback_id)
    if row is None or row.picture is None:
        raise LearningError(f"no feedback {feedback_id} with a picture: see `layerwatch feedback queue`")
    row.label, row.failure_type = label, failure_type if label == "failed" else None
    row.reviewed_by, row.reviewed_at = by, at
    return row


def reviewed(session: Session) -> Sequence[FeedbackRow]:
    """Every labelled picture once: the newest review of a picture counts."""
    rows = session.scalars(
        select(FeedbackRow).where(FeedbackRow.label.is_not(None)).order_by(FeedbackRow.reviewed_at)
    )
    return list({row.picture: row for row in rows}.values())


def newest_reviewed(session: Session, limit: int) -> Sequence[FeedbackRow]:
    """What was labelled last, with its picture, newest first."""
    wanted = select(FeedbackRow).where(FeedbackRow.label.is_not(None), FeedbackRow.picture.is_not(None))
    return session.scalars(wanted.order_by(FeedbackRow.reviewed_at.desc()).limit(limit)).all()


def export(
    rows: Sequence[FeedbackRow],
    examples: ExampleStore,
    folder: Path,
    *,
    progress: Callable[[], None] = lambda: None,
) -> int:
    """Write `index.csv` and `images/` as `layerwatch-train --data FOLDER` reads them; returns how many.

    All pictures of one account share a group, so that one printer never stands on both sides of a split.
    """
    images = private_folder(folder / "images" / "feedback")
    index = io.StringIO(newline="")
    table = csv.DictWriter(index, INDEX_COLUMNS, restval="")
    table.writeheader()
    for row in rows:
        assert row.picture is not None
        source = examples.path(row.picture)
        if not source.exists():
            raise LearningError(f"the picture of feedback {row.id} is gone: {source}")
        with replacing(images / source.name) as copy:
            copy.write(source.read_bytes())
        with Image.open(source) as picture:
            width, height = picture.size
        table.writerow(
            {
                "file": f"images/feedback/{source.name}",
                "source": "feedback",
                "licence": "by the account's owner",
                "label": row.label,
                "failure_type": row.failure_type or "",
                "view": "webcam",
                "group": f"feedback_account_{row.account_id}",
                "sequence": f"feedback_{row.context_id[:16]}",
                "frame": row.id,
                "width": width,
                "height": height,
                "label_basis": "reviewed",
                "note": f"client said {row.kind}",
            }
        )
        progress()
    with replacing(folder / "index.csv") as file:
        file.write(index.getvalue().encode())
    return len(rows)
