"""Tables of the status page: what the regions did, one row a region and hour, and the operator's notes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.storage import Base, RowId


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


class StatusNote(Base):
    """What an operator says on the status page. ended_at: None while it is current."""

    __tablename__ = "status_notes"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(String(500))
    ended_at: Mapped[datetime | None]
