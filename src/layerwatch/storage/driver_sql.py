"""Statements for what runs with every picture: plain SQL, which SQLAlchemy neither builds nor converts.

Each value is written `?` on both engines and is the driver's own: a time is stored as a number (`as_number`).
Everything else uses the session's own methods.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult
from sqlalchemy.orm import Session

from layerwatch.storage.base import as_number

Value = str | bytes | int | datetime | None


def fetch_row(within: Session | Connection, statement: str, *values: Value) -> tuple[Any, ...] | None:
    """The row of a SELECT that finds at most one; None if it finds none. Raises DBAPIError and its kinds."""
    connection = within.connection() if isinstance(within, Session) else within
    found = _execute(connection, statement, values).first()
    return None if found is None else tuple(found)


def execute(session: Session, statement: str, *values: Value) -> int:
    """Run an INSERT or UPDATE in the session's transaction; how many rows it wrote.

    Raises DBAPIError and its kinds (IntegrityError for a broken constraint).
    """
    return _execute(session.connection(), statement, values).rowcount


def _execute(connection: Connection, statement: str, values: tuple[Value, ...]) -> CursorResult[Any]:
    given = tuple(as_number(value) if isinstance(value, datetime) else value for value in values)
    if connection.dialect.name != "sqlite":
        statement = statement.replace("?", "%s")
    return connection.exec_driver_sql(statement, given)
