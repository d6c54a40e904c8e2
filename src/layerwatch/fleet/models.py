"""Tables of the fleet: what each node last said of itself, and which regions drain."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.storage import Base


class Node(Base):
    """One server process, as it last described itself."""

    __tablename__ = "nodes"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The same for each process that follows another in the same place."""
    region: Mapped[str] = mapped_column(String(8))
    url: Mapped[str] = mapped_column(String(300))
    """The region's public URL, from this node's settings."""
    capacity: Mapped[float]
    """Inspections a second."""
    healthy: Mapped[float]
    suspicious: Mapped[float]
    """Live prints."""
    seen_at: Mapped[datetime]


class Draining(Base):
    """A region that is given no new prints."""

    __tablename__ = "draining_regions"

    region: Mapped[str] = mapped_column(String(8), primary_key=True)
    since: Mapped[datetime]
