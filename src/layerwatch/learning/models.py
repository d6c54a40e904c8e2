"""Tables of feedback: what a client said of a print, and what a reviewer made of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.storage import Base, RowId


class FeedbackRow(Base):
    """One word of feedback. `picture` names the example file; None when no picture was at hand."""

    __tablename__ = "feedback"
    __table_args__ = (
        Index(None, "account_id", "at"),
        Index(None, "context_id"),
        Index(None, "at"),
        Index(None, "picture"),
        Index(None, "label"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account_id: Mapped[int]
    context_id: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))
    """What the client said: one of `service.KINDS_OF_FEEDBACK`."""
    picture: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the JPEG, hexadecimal."""
    picture_bytes: Mapped[int | None]
    """Its size; None for one from before sizes were counted."""
    failure_probability: Mapped[float | None]
    model_version: Mapped[str | None] = mapped_column(String(64))
    label: Mapped[str | None] = mapped_column(String(16))
    """What the reviewer said: one of `service.LABELS`; None while it waits."""
    failure_type: Mapped[str | None] = mapped_column(String(24))
    reviewed_by: Mapped[str | None] = mapped_column(String(120))
    reviewed_at: Mapped[datetime | None]
