"""Tables of models and their roll-out."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.storage import Base, RowId


class ModelRow(Base):
    """A model that was added. Its file is the object `models/<sha256>.onnx`."""

    __tablename__ = "models"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    """Bytes of its file."""
    note: Mapped[str] = mapped_column(String(200))
    added_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(String(120))


class StepRow(Base):
    """One step of a roll-out; see `plan.Step`. Rows are only added and closed, so they are the history."""

    __tablename__ = "model_steps"
    __table_args__ = (Index(None, "since"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    stage: Mapped[str] = mapped_column(String(8))
    model: Mapped[str] = mapped_column(String(64))
    """SHA-256, or `packaged`."""
    share: Mapped[float]
    since: Mapped[datetime]
    taken_by: Mapped[str] = mapped_column(String(120))
    until: Mapped[datetime | None]
    rolled_back_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(120))
    reason: Mapped[str | None] = mapped_column(String(200))
    """Why it was rolled back."""


class ComparisonRow(Base):
    """What one node saw of a step's trial; see `comparison.Tally`."""

    __tablename__ = "model_comparisons"

    step_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    node: Mapped[str] = mapped_column(String(64), primary_key=True)
    pictures: Mapped[int]
    errors: Mapped[int]
    candidate_alarms: Mapped[int]
    reference_alarms: Mapped[int]
    only_candidate: Mapped[int]
    only_reference: Mapped[int]
    candidate_ms: Mapped[float]
    reference_ms: Mapped[float]
    updated_at: Mapped[datetime]
