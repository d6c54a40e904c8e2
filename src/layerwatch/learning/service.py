"""Rules of feedback: recording it, reviewing it, and handing the reviewed pictures to training."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.learning.errors import LearningError
from layerwatch.learning.examples import ExampleStore
from layerwatch.learning.models import FeedbackRow
from layerwatch.learning.recent import RecentPicture
from layerwatch.vision.evidence import KINDS

KINDS_OF_FEEDBACK: tuple[str, ...] = ("false_alarm", "missed", "resumed")
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


def record(
    session: Session,
    examples: ExampleStore,
    *,
    account_id: int,
    context_id: str,
    kind: str,
    at: datetime,
    recent: RecentPicture | None,
) -> int:
    """Keep one word of feedback, with the picture it speaks of where that is at hand; returns its id."""
    if kind not in KINDS_OF_FEEDBACK:
        raise LearningError(f"feedback {kind!r} is not known: use one of {', '.join(KINDS_OF_FEEDBACK)}")
    row = FeedbackRow(
        account_id=account_id,
        context_id=context_id,
        at=at,
        kind=kind,
        picture=examples.put(recent.jpeg) if recent else None,
        failure_probability=recent.evidence.failure_probability if recent else None,
        model_version=recent.evidence.model_version if recent else None,
    )
    session.add(row)
    session.flush()
    return row.id


def withdraw(session: Session, *, account_id: int, context_id: str) -> None:
    """Remove the newest word of feedback on a print, unless a reviewer has labelled its picture by now."""
    row = session.scalars(
        select(FeedbackRow)
        .where(FeedbackRow.account_id == account_id, FeedbackRow.context_id == context_id)
        .order_by(FeedbackRow.id.desc())
        .limit(1)
    ).one_or_none()
    if row is not None and row.label is None:
        session.delete(row)


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
    images = folder / "images" / "feedback"
    images.mkdir(parents=True, exist_ok=True)
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, INDEX_COLUMNS, restval="")
        table.writeheader()
        for row in rows:
            assert row.picture is not None
            source = examples.path(row.picture)
            if not source.exists():
                raise LearningError(f"the picture of feedback {row.id} is gone: {source}")
            shutil.copyfile(source, images / source.name)
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
    return len(rows)
