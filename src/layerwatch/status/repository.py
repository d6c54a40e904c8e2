"""The hours of the status page in the database: every statement on their table is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from layerwatch.status.models import StatusHour
from layerwatch.storage import is_sqlite

MINUTES = ("up", "away", "failing", "refusing")
"""Columns with a bit for each minute; the others are numbers."""


def hours_since(session: Session, since: datetime) -> Sequence[StatusHour]:
    """The hours of all regions from a time on, by region and hour."""
    wanted = select(StatusHour).where(StatusHour.hour >= since)
    return session.scalars(wanted.order_by(StatusHour.region, StatusHour.hour)).all()


def add_hour(session: Session, region: str, at: datetime, new: Mapping[str, int]) -> None:
    """Add a node's numbers, by column, to those of its region in the hour that begins at `at`."""
    insert: Any = sqlite.insert if is_sqlite(session) else postgresql.insert
    nothing = dict.fromkeys(new, 0)
    session.execute(insert(StatusHour).values(region=region, hour=at, **nothing).on_conflict_do_nothing())
    columns = {name: getattr(StatusHour, name) for name in new}
    session.execute(
        update(StatusHour)
        .where(StatusHour.region == region, StatusHour.hour == at)
        .values(
            {
                name: column.op("|")(new[name]) if name in MINUTES else column + new[name]
                for name, column in columns.items()
            }
        )
    )


def delete_before(session: Session, before: datetime) -> None:
    """Delete the hours before a time."""
    session.execute(delete(StatusHour).where(StatusHour.hour < before))


def delete_region(session: Session, region: str) -> bool:
    """Delete a region's hours; False if it had none."""
    gone = session.execute(delete(StatusHour).where(StatusHour.region == region))
    return bool(cast(Any, gone).rowcount)
