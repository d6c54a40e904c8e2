"""Table of counts for drift."""

from __future__ import annotations

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.core.text import MAX_NAME_LENGTH
from layerwatch.storage import Base


class DriftRow(Base):
    """One day's counts of a model and a kind of camera: of all pictures together (account 0, no printer), or
    of one printer."""

    __tablename__ = "drift_counts"

    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Days since 1970-01-01, UTC."""
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    camera_kind: Mapped[str] = mapped_column(String(24), primary_key=True)
    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    printer: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH), primary_key=True)
    pictures: Mapped[int]
    alarms: Mapped[int]
    counts: Mapped[str] = mapped_column(Text)
    """`DriftCounts.to_json`."""
