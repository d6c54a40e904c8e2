"""The table of labelled prints."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.core.text import MAX_NAME_LENGTH
from layerwatch.storage import Base


class PrintRow(Base):
    """The labels of one print. Only prints that were given any have a row; it expires with the context."""

    __tablename__ = "prints"
    __table_args__ = (Index(None, "account_id", "opened_at"), Index(None, "expires_at"))

    context_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int]
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    name: Mapped[str | None] = mapped_column(String(MAX_NAME_LENGTH))
    printer: Mapped[str | None] = mapped_column(String(MAX_NAME_LENGTH))
    camera: Mapped[str | None] = mapped_column(String(MAX_NAME_LENGTH))
    file: Mapped[str | None] = mapped_column(String(MAX_NAME_LENGTH))


class PrintWatchRow(Base):
    """What was found of a print whose account is notified of prints that are not seen or have ended."""

    __tablename__ = "print_watch"

    context_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int]
    inspected_at: Mapped[datetime]
    """The print's last picture at that time; a later one means that it has not ended after all."""
    unseen_since: Mapped[datetime | None]
    unseen_reported: Mapped[bool]
    ended: Mapped[bool]
    """Whether it was reported that it ended."""
