"""Tables of prints whose watcher is connected, and of what people ask it to do."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.storage import Base


class ConnectedPrintRow(Base):
    """One print that a watcher named in its last request. Times are real ones."""

    __tablename__ = "connected_prints"
    __table_args__ = (Index(None, "account_id"), Index(None, "seen_at"))

    context_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int]
    seen_at: Mapped[datetime]
    can: Mapped[str] = mapped_column(String(60))
    """What may be asked now, comma-separated: see `actions.KINDS`."""


class PrintActionRow(Base):
    """Something that a person asked a watcher to do to a print. Times are real ones."""

    __tablename__ = "print_actions"
    __table_args__ = (Index(None, "account_id", "asked_at"), Index(None, "asked_at"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    context_id: Mapped[str] = mapped_column(String(64))
    account_id: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    who: Mapped[str] = mapped_column(String(254))
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    """After this it is not handed out any more."""
    taken_at: Mapped[datetime | None]
    """When a watcher got it; it is handed out once."""
    ended_at: Mapped[datetime | None]
    done: Mapped[bool | None]
    """Whether the printer did it, as the watcher saw."""
    reason: Mapped[str] = mapped_column(String(200), default="")
    """Why not; empty if it was done."""
