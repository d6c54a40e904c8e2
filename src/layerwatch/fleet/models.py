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
    """The region's public URL, as this node is told by its settings."""
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


class StatusHour(Base):
    """What a region's nodes did in one hour, added up; kept for the status page.

    up, away, failing, refusing: bit n stands for the hour's minute n. up: a node lived.  away: it had no
    database.  failing, refusing: too many calls failed, or were refused, at one node.
    answered, refused, failed: detection calls.  within_50 … longer: those answered, by milliseconds.
    """

    __tablename__ = "status_hours"

    region: Mapped[str] = mapped_column(String(8), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    up: Mapped[int]
    away: Mapped[int]
    failing: Mapped[int]
    refusing: Mapped[int]
    answered: Mapped[int]
    refused: Mapped[int]
    failed: Mapped[int]
    within_50: Mapped[int]
    within_100: Mapped[int]
    within_200: Mapped[int]
    within_500: Mapped[int]
    within_1000: Mapped[int]
    within_2000: Mapped[int]
    longer: Mapped[int]
