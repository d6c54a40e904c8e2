"""Tables of feedback, of the pictures behind it, and of what reviewers made of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.storage import Base, RowId


class FeedbackRow(Base):
    """One verdict of a client on a print."""

    __tablename__ = "feedback"
    __table_args__ = (Index(None, "account_id", "at"), Index(None, "context_id"), Index(None, "at"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account_id: Mapped[int]
    context_id: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))
    """One of `verdicts.VERDICTS`."""
    failure_probability: Mapped[float | None]
    """Of the newest picture then, 0..1; None if this server did not hold it."""
    model_version: Mapped[str | None] = mapped_column(String(64))
    second: Mapped[float | None]
    """Of the print, when that picture was taken."""
    printer: Mapped[str | None] = mapped_column(String(120))
    """The printer's name as the client gave it."""
    reported_type: Mapped[str | None] = mapped_column(String(24))
    """The kind of failure that the client named, one of `vision.evidence.KINDS`."""
    comment: Mapped[str | None] = mapped_column(String(500))


class ExampleRow(Base):
    """One picture that is kept with feedback. Its object is `examples/<account>/<folder>/<sha256>.jpg`."""

    __tablename__ = "examples"
    __table_args__ = (
        Index(None, "feedback_id"),
        Index(None, "account_id"),
        Index(None, "sha256"),
        Index(None, "label"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    feedback_id: Mapped[int]
    account_id: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    """Of the JPEG, hexadecimal."""
    folder: Mapped[str] = mapped_column(String(16))
    """Another one for each feedback, so that deleting one never takes another's picture."""
    size: Mapped[int | None]
    """Bytes; None for one from before sizes were counted."""
    dhash: Mapped[str | None] = mapped_column(String(64))
    """Perceptual hash, see `near.dhash`; None until a file of an earlier version is moved."""
    failure_probability: Mapped[float | None]
    """0..1, by the model that judged the print."""
    model_version: Mapped[str | None] = mapped_column(String(64))
    second_probability: Mapped[float | None]
    """The same by the model that is being compared with it, if any."""
    second_model: Mapped[str | None] = mapped_column(String(64))
    """The pair of models that was compared then; see `rollout.LiveModels.compared`."""
    label: Mapped[str | None] = mapped_column(String(16))
    """One of `review.LABELS`, once it is settled; None while it waits."""
    failure_type: Mapped[str | None] = mapped_column(String(24))
    reviewed_at: Mapped[datetime | None]


class ExampleReviewRow(Base):
    """What one reviewer said of one picture. Rows are only added, so they are the history."""

    __tablename__ = "example_reviews"
    __table_args__ = (Index(None, "example_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    example_id: Mapped[int]
    label: Mapped[str] = mapped_column(String(16))
    failure_type: Mapped[str | None] = mapped_column(String(24))
    by: Mapped[str] = mapped_column(String(120))
    at: Mapped[datetime]


class WithdrawnPictureRow(Base):
    """A picture that was deleted: what is derived from it has to drop it. Nothing but its hash is left."""

    __tablename__ = "withdrawn_pictures"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
