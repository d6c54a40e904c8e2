"""Statements for what runs with every picture: plain SQL that goes straight to the driver.

SQLAlchemy's share of a small statement is several times the database's, and more when its code was pushed out
of the processor's caches by the detector. Each value is written `?` on both engines and is the driver's own:
a time is stored as a number (`as_number`). Everything else uses the session's own methods.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from layerwatch.storage import engines
from layerwatch.storage.base import as_number

Value = str | bytes | int | datetime | None


def fetch_row(session: Session, statement: str, *values: Value) -> tuple[Any, ...] | None:
    """The row of a SELECT that finds at most one; None if it finds none. Raises DBAPIError and its kinds."""
    found = _execute(session, statement, values).fetchone()
    return None if found is None else tuple(found)


def execute(session: Session, statement: str, *values: Value) -> int:
    """Run an INSERT or UPDATE in the session's transaction; how many rows it wrote.

    Raises DBAPIError and its kinds, as SQLAlchemy does (IntegrityError for a broken constraint).
    """
    return int(_execute(session, statement, values).rowcount)


def _execute(session: Session, statement: str, values: tuple[Value, ...]) -> Any:
    connection = session.connection()
    dialect = connection.dialect
    driver: Any = connection.connection.driver_connection
    given = tuple(as_number(value) if isinstance(value, datetime) else value for value in values)
    try:
        return driver.execute(statement if dialect.name == "sqlite" else statement.replace("?", "%s"), given)
    except dialect.loaded_dbapi.Error as error:
        lost = engines.is_lost(connection, error)
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            statement,
            None,
            error,
            dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=lost,
            dialect=dialect,
        ) from error
