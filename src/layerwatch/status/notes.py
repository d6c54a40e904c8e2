"""Notes that operators put on the status page: planned work, or what is known of an incident."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from layerwatch.core.text import is_unsafe
from layerwatch.identity.errors import BadInput, NotFound
from layerwatch.status.models import StatusNote

MAX_LENGTH = 500
MAX_CURRENT = 5
SHOWN_AFTER_END = timedelta(days=7)


def add_note(session: Session, text: str, now: datetime) -> StatusNote:
    """Put a note on the status page. Raises BadInput."""
    text = " ".join(text.split())
    if not 1 <= len(text) <= MAX_LENGTH or any(map(is_unsafe, text)):
        raise BadInput(f"A note has 1 to {MAX_LENGTH} characters.", field="text")
    current = session.scalar(select(func.count()).where(StatusNote.ended_at.is_(None)))
    if (current or 0) >= MAX_CURRENT:
        raise BadInput(f"At most {MAX_CURRENT} notes are shown at once. End one first.", field="text")
    note = StatusNote(at=now, text=text, ended_at=None)
    session.add(note)
    session.flush()
    return note


def end_note(session: Session, note_id: int, now: datetime) -> StatusNote:
    """Mark a note as over. Raises NotFound."""
    note = session.get(StatusNote, note_id)
    if note is None:
        raise NotFound("There is no such note.")
    note.ended_at = note.ended_at or now
    return note


def shown_notes(session: Session, now: datetime) -> list[StatusNote]:
    """The notes that are current, or ended a short while ago; newest first."""
    recent = or_(StatusNote.ended_at.is_(None), StatusNote.ended_at > now - SHOWN_AFTER_END)
    return list(session.scalars(select(StatusNote).where(recent).order_by(StatusNote.id.desc()).limit(20)))
