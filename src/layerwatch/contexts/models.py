"""Tables of a print's session: its state, answers for idempotent repeats, units booked late.

On PostgreSQL contexts and answers are partitioned by `expires_at`, which is therefore in their primary keys
there. It follows from the context's id, so the keys named here are unique all the same.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.storage import Base


def _for_the_sweep() -> Index:
    """Where rows are deleted one by one; PostgreSQL, which drops days, would pay for it with every row."""
    return Index(None, "expires_at").ddl_if(dialect="sqlite")


class ContextRow(Base):
    """One print. Written first by its first inspection: the id itself proves that it was opened."""

    __tablename__ = "contexts"
    __table_args__ = (Index(None, "account_id"), _for_the_sweep())

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int]
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revision: Mapped[int]
    """Grows by one with every inspection; a writer that read an older one has lost the race."""
    state: Mapped[bytes]
    """`temporal.PrintState`, packed."""
    inspected_at: Mapped[datetime]
    interval_ms: Mapped[int]
    """The last answer's enforced interval, milliseconds of print time."""
    camera: Mapped[str | None] = mapped_column(String(64))
    answer: Mapped[str] = mapped_column(Text)
    """The last answer, as JSON, for the console's live prints."""
    progress: Mapped[str | None] = mapped_column(String(400))
    """`prints.PrintProgress`, as JSON: the last that came with a picture."""
    levels: Mapped[int | None]
    """Packed (`context_id.pack_levels`), where a person has set others than the context was opened with."""


class AnswerRow(Base):
    """The answer that a repeat of the same Idempotency-Key on the same context gets."""

    __tablename__ = "answers"
    __table_args__ = (_for_the_sweep(),)

    context_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime]
    body: Mapped[str] = mapped_column(Text)


class ReplayedUnit(Base):
    """An inspection answered while the database was away and booked since: none is booked twice."""

    __tablename__ = "replayed_units"
    __table_args__ = (Index(None, "replayed_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    replayed_at: Mapped[datetime]
