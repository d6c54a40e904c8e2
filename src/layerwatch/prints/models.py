"""Tables of prints as people see them: labels and outcome, course, events, kept pictures."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.core.text import MAX_NAME_LENGTH
from layerwatch.storage import Base, RowId


class PrintRow(Base):
    """One print: what its client calls it, and what has become of it.

    It is made with the labels or with the first picture, and stays when the context has expired.
    """

    __tablename__ = "prints"
    __table_args__ = (Index(None, "account_id", "opened_at"), Index(None, "expires_at"))

    context_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int]
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    """When it is deleted, with everything that belongs to it."""
    name: Mapped[str | None] = mapped_column(String(MAX_NAME_LENGTH))
    printer: Mapped[str | None] = mapped_column(String(MAX_NAME_LENGTH))
    camera: Mapped[str | None] = mapped_column(String(MAX_NAME_LENGTH))
    file: Mapped[str | None] = mapped_column(String(MAX_NAME_LENGTH))
    seen_at: Mapped[datetime | None]
    """Time of the last picture; None before the first."""
    pictures: Mapped[int] = mapped_column(default=0, server_default="0")
    """Pictures that were answered, those that were unfit to judge by, too."""
    quality: Mapped[int | None]
    """PrintQuality after the last picture."""
    worst: Mapped[int | None]
    """The lowest PrintQuality so far."""
    kind: Mapped[str | None] = mapped_column(String(24))
    """The likeliest kind of failure when it was that low."""
    warned_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    """When a warning and a pause were first suggested."""
    progress: Mapped[str | None] = mapped_column(String(400))
    """`PrintProgress`, as JSON: the last that came with a picture."""


class TimelineRow(Base):
    """One hour of a print's course: an entry for each picture (`moments.Moment`), in any order."""

    __tablename__ = "print_timeline"

    context_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True)
    """Of the print's own time, from 0."""
    entries: Mapped[str] = mapped_column(Text)


class PrintEventRow(Base):
    """Something that a person or a program did about a print."""

    __tablename__ = "print_events"
    __table_args__ = (Index(None, "context_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    context_id: Mapped[str] = mapped_column(String(64))
    account_id: Mapped[int]
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(24))
    who: Mapped[str] = mapped_column(String(254))
    """A user's address, or the key's first characters."""
    detail: Mapped[str] = mapped_column(String(200))


class KeptPictureRow(Base):
    """A small copy of one picture, in the object store. The row is written before the object and deleted
    after it: an object without a row is left over from a crash or lies on another node.
    """

    __tablename__ = "print_pictures"
    __table_args__ = (Index(None, "account_id", "kept_at"), Index(None, "kept_at"))

    context_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    second: Mapped[int] = mapped_column(primary_key=True)
    """Of the print's own time."""
    account_id: Mapped[int]
    kept_at: Mapped[datetime]
    size: Mapped[int]
    """Bytes of the object."""


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
