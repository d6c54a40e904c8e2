"""The declarative base and the column types that every domain's tables use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Integer, MetaData
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of indexes and constraints, the same on both engines, so that migrations can speak of them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

RowId = BigInteger().with_variant(Integer, "sqlite")
"""A generated 64-bit primary key: SQLite only generates keys for columns that are exactly INTEGER."""


def is_sqlite(session: Session) -> bool:
    """Whether the session's database is SQLite, not PostgreSQL."""
    return session.get_bind().dialect.name == "sqlite"


def as_time(stored: int) -> datetime:
    """The time that a stored number stands for."""
    return _EPOCH + int(stored) * _MICROSECOND


def as_number(time: datetime) -> int:
    """How a time is stored. Raises ValueError for a naive one: its zone would be a guess."""
    if time.tzinfo is None:
        raise ValueError("a time needs its zone: use datetime.now(UTC), not datetime.now()")
    return (time - _EPOCH) // _MICROSECOND


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as integer microseconds since 1970.

    Integers order, compare and index the same on both engines, and lose nothing. A naive datetime is
    refused with ValueError.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else as_number(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else as_time(value)


class Base(DeclarativeBase):
    """Base of every table. A table's class lives in its domain's `models.py`."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcTime, int: BigInteger}
