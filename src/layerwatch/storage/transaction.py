"""A transaction for what runs with every picture: statements go straight to the driver.

SQLAlchemy's share of a small statement is several times the database's, and more when its code was pushed out
of the processor's caches by the detector. So what each call reads and writes is plain SQL with `?` for each
value, and the values are the driver's own: a time is a number (`as_number`). Rare things use `session`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from layerwatch.storage import engines
from layerwatch.storage.base import as_number

Value = str | bytes | int | datetime | None


class Transaction:
    """Statements in one transaction on one connection, which began it and will end it."""

    def __init__(self, connection: Connection, session: Session | None = None) -> None:
        self._connection = connection
        self._driver: Any = connection.connection.driver_connection
        self._session = session
        self.is_sqlite = connection.dialect.name == "sqlite"

    @classmethod
    def of(cls, session: Session) -> Transaction:
        """The transaction that a session is in."""
        return cls(session.connection(), session)

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._session.close()

    @property
    def session(self) -> Session:
        """A session in this transaction. What it holds back is written by `flush`."""
        if self._session is None:
            self._session = Session(self._connection, expire_on_commit=False)
        return self._session

    def row(self, statement: str, *values: Value) -> tuple[Any, ...] | None:
        """The row of a SELECT that finds at most one; None if it finds none."""
        found = self._execute(statement, values).fetchone()
        return None if found is None else tuple(found)

    def change(self, statement: str, *values: Value) -> int:
        """How many rows an INSERT or UPDATE wrote."""
        return int(self._execute(statement, values).rowcount)

    def flush(self) -> None:
        """Write what the session holds back."""
        if self._session is not None:
            self._session.flush()

    def _execute(self, statement: str, values: tuple[Value, ...]) -> Any:
        """Raises what SQLAlchemy would raise: DBAPIError and its kinds."""
        given = tuple(as_number(value) if isinstance(value, datetime) else value for value in values)
        try:
            return self._driver.execute(statement if self.is_sqlite else statement.replace("?", "%s"), given)
        except self._connection.dialect.loaded_dbapi.Error as error:
            lost = engines.is_lost(self._connection, error)
            if lost:
                self._connection.invalidate(error)
            raise DBAPIError.instance(
                statement,
                None,
                error,
                self._connection.dialect.loaded_dbapi.Error,
                hide_parameters=True,
                connection_invalidated=lost,
                dialect=self._connection.dialect,
            ) from error
