"""The SQL of this room: statements built once, because they run with every picture.

Every look names the expiry beside the id, which tells it: PostgreSQL then touches one partition only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import CursorResult, Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from layerwatch.contexts.ids import Context
from layerwatch.contexts.models import AnswerRow, ContextRow

_CONTEXTS = cast(Table, ContextRow.__table__)
_ANSWERS = cast(Table, AnswerRow.__table__)
_MOVED = ("state", "inspected_at", "interval_ms", "camera", "answer")

_THIS = (_CONTEXTS.c.id == bindparam("context"), _CONTEXTS.c.expires_at == bindparam("expires"))
_FIND = select(
    _CONTEXTS.c.revision, _CONTEXTS.c.state, _CONTEXTS.c.inspected_at, _CONTEXTS.c.interval_ms
).where(*_THIS)
_LAST = select(_CONTEXTS.c.inspected_at, _CONTEXTS.c.interval_ms).where(*_THIS)
_ADD = insert(_CONTEXTS)
_HERE = (*_THIS, _CONTEXTS.c.revision == bindparam("seen"))
_MOVE = (
    update(_CONTEXTS)
    .where(*_HERE)
    .values(revision=bindparam("next"), **{name: bindparam(name) for name in _MOVED})
)
_TEACH = update(_CONTEXTS).where(*_HERE).values(revision=bindparam("next"), state=bindparam("state"))
_ANSWER = select(_ANSWERS.c.body).where(
    _ANSWERS.c.context_id == bindparam("context"),
    _ANSWERS.c.key == bindparam("key"),
    _ANSWERS.c.expires_at == bindparam("expires"),
)
_KEEP = insert(_ANSWERS)


class Last(NamedTuple):
    """When a context was last answered, and the interval that was told then."""

    inspected_at: datetime
    interval_ms: int


class Found(NamedTuple):
    """A context's row, as far as the next step needs it."""

    revision: int
    state: bytes
    inspected_at: datetime
    interval_ms: int


class Moved(NamedTuple):
    """What an inspection writes."""

    state: bytes
    inspected_at: datetime
    interval_ms: int
    camera: str | None
    answer: str


def last(session: Session, context: Context) -> Last | None:
    """The context's last answer; None before the first."""
    row = session.execute(_LAST, _this(context)).one_or_none()
    return Last(*row) if row is not None else None


def find(session: Session, context: Context) -> Found | None:
    """The context's row; None before its first inspection, or when it was swept or is out of reach."""
    row = session.execute(_FIND, _this(context)).one_or_none()
    return Found(*row) if row is not None else None


def add(session: Session, context: Context, moved: Moved) -> None:
    """Write the first inspection. Raises IntegrityError if another call wrote it first."""
    session.execute(_ADD, [as_row(context, 1, moved)])


def move(session: Session, context: Context, seen: int, moved: Moved) -> bool:
    """Write an inspection if the context still is at revision `seen`; whether it was."""
    return _one(session, _MOVE, {**_this(context), "seen": seen, "next": seen + 1, **moved._asdict()})


def teach(session: Session, context: Context, seen: int, state: bytes) -> bool:
    """Write a taught state if the context still is at revision `seen`; whether it was."""
    return _one(session, _TEACH, {**_this(context), "seen": seen, "next": seen + 1, "state": state})


def answer(session: Session, context: Context, key: str) -> str | None:
    """The answer stored under an Idempotency-Key."""
    return session.scalar(_ANSWER, {**_this(context), "key": key})


def keep_answer(session: Session, context: Context, key: str, body: str) -> None:
    """Store an answer under its Idempotency-Key. Raises IntegrityError if there is one."""
    session.execute(_KEEP, [as_answer(context, key, body)])


def as_row(context: Context, revision: int, moved: Moved) -> dict[str, Any]:
    """A row of the contexts' table, by column."""
    return {
        "id": context.id,
        "account_id": context.account_id,
        "opened_at": context.opened_at,
        "expires_at": context.expires_at,
        "revision": revision,
        **moved._asdict(),
    }


def as_answer(context: Context, key: str, body: str) -> dict[str, Any]:
    """A row of the answers' table, by column."""
    return {"context_id": context.id, "key": key, "expires_at": context.expires_at, "body": body}


def _this(context: Context) -> dict[str, Any]:
    return {"context": context.id, "expires": context.expires_at}


def _one(session: Session, statement: Any, values: dict[str, Any]) -> bool:
    result = session.execute(statement, values)
    return cast(CursorResult[Any], result).rowcount == 1
