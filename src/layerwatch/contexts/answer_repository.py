"""Answers stored under their Idempotency-Keys: every statement on their table is here.

Every query names the context's expiry, too: PostgreSQL then touches one partition only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import cast

from sqlalchemy import Connection, Table, insert, select
from sqlalchemy.orm import Session

from layerwatch.contexts.context_id import Context
from layerwatch.contexts.models import AnswerRow
from layerwatch.storage import driver_sql

_FIND = "SELECT body FROM answers WHERE context_id = ? AND key = ? AND expires_at = ?"
_KEEP = "INSERT INTO answers (context_id, key, expires_at, body) VALUES (?, ?, ?, ?)"

_ANSWERS = cast(Table, AnswerRow.__table__)


def find(within: Session | Connection, context: Context, key: str) -> str | None:
    """The answer stored under an Idempotency-Key."""
    row = driver_sql.fetch_row(within, _FIND, context.id, key, context.expires_at)
    return row[0] if row is not None else None


def keep(session: Session, context: Context, key: str, body: str) -> None:
    """Store an answer under its Idempotency-Key. Raises IntegrityError if there is one."""
    driver_sql.execute(session, _KEEP, context.id, key, context.expires_at, body)


def answered(session: Session, keys: Collection[tuple[Context, str]]) -> set[tuple[str, str]]:
    """The ids of contexts with the Idempotency-Keys that have a stored answer: of these, and a few more."""
    if not keys:
        return set()
    # Plain lists find a few rows more than pairs would, but by index.
    found = session.execute(
        select(_ANSWERS.c.context_id, _ANSWERS.c.key).where(
            _ANSWERS.c.context_id.in_({context.id for context, _ in keys}),
            _ANSWERS.c.key.in_({key for _, key in keys}),
            _ANSWERS.c.expires_at.in_({context.expires_at for context, _ in keys}),
        )
    )
    return {(row.context_id, row.key) for row in found}


def keep_many(session: Session, answers: Iterable[tuple[Context, str, str]]) -> None:
    """Store answers under their Idempotency-Keys. Raises IntegrityError if there is one."""
    rows = [
        {"context_id": context.id, "key": key, "expires_at": context.expires_at, "body": body}
        for context, key, body in answers
    ]
    if rows:
        session.execute(insert(_ANSWERS), rows)
