"""Feedback with pictures, as a print's client leaves it."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
from PIL import Image
from sqlalchemy.orm import Session

from layerwatch.identity import create_account
from layerwatch.learning import ExampleStore, near, service
from layerwatch.learning.models import ExampleRow
from layerwatch.learning.recent import RecentPicture
from layerwatch.learning.service import StoredPicture
from layerwatch.learning.verdicts import FeedbackDetails
from layerwatch.storage import Database
from layerwatch.vision.evidence import KINDS, Condition, Evidence, HeatMap

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def jpeg(seed: int) -> bytes:
    """A picture that looks like no other one with another seed."""
    rough = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(rough).resize((320, 240)).save(file, "JPEG", quality=90)
    return file.getvalue()


def recent(
    data: bytes, probability: float = 0.5, second: float = 60.0, *, alarmed: bool = False
) -> RecentPicture:
    """A picture as it is held of a live print."""
    grey = Image.open(io.BytesIO(data)).convert("L").resize((32, 24))
    evidence = Evidence(
        failure_probability=probability,
        kinds=(0.0,) * len(KINDS),
        heat=HeatMap(1, 1, b"\0"),
        boxes=(),
        print_in_view=1.0,
        condition=Condition.OK,
        brightness=0.5,
        sharpness=1.0,
        thumbnail=grey.tobytes(),
        model_version="test-1",
        milliseconds=1.0,
    )
    return RecentPicture(data, evidence, second, alarmed)


def account_with_consent(session: Session, name: str = "Acme") -> int:
    """A new account that lets pictures be kept."""
    return create_account(session, name, NOW, share_pictures=True).id


def give(
    database: Database,
    examples: ExampleStore,
    account_id: int,
    kind: str,
    *pictures: RecentPicture,
    context: str = "c1",
    at: datetime = NOW,
    details: FeedbackDetails | None = None,
    printer: str | None = None,
) -> list[int]:
    """Record feedback with these pictures, newest first; the numbers of those that are kept."""
    folder = examples.new_folder()
    stored = [
        StoredPicture(examples.put(account_id, folder, one.jpeg), near.dhash(one.jpeg), one)
        for one in pictures
    ]
    with database.write() as session:
        row, _ = service.record(
            session,
            account_id=account_id,
            context_id=context,
            kind=kind,
            at=at,
            newest=pictures[0] if pictures else None,
            pictures=stored,
            details=details,
            printer=printer,
        )
        kept = session.query(ExampleRow.id).where(ExampleRow.feedback_id == row.id).order_by(ExampleRow.id)
        return [id_ for (id_,) in kept]
