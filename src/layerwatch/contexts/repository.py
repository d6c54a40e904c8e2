"""The SQL of this room: statements built once, because they run with every picture.

Every look names the expiry beside the id, which tells it: PostgreSQL then touches one partition only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from layerwatch.contexts.context_id import Context, pack_levels, unpack_levels
from layerwatch.contexts.models import ContextRow
from layerwatch.storage import as_time, driver_sql
from layerwatch.temporal import Levels

_THIS = "FROM contexts WHERE id = ? AND expires_at = ?"
_LAST = f"SELECT inspected_at, interval_ms {_THIS}"
_FIND = f"SELECT revision, state, inspected_at, interval_ms, levels {_THIS}"
_ADD = (
    "INSERT INTO contexts (state, inspected_at, interval_ms, camera, answer, progress,"
    " id, account_id, opened_at, expires_at, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
)
_MOVE = (
    "UPDATE contexts SET state = ?, inspected_at = ?, interval_ms = ?, camera = ?, answer = ?,"
    " progress = coalesce(?, progress), revision = revision + 1"
    " WHERE id = ? AND expires_at = ? AND revision = ?"
)
_TEACH = (
    "UPDATE contexts SET state = ?, revision = revision + 1 WHERE id = ? AND expires_at = ? AND revision = ?"
)
_SET_LEVELS = "UPDATE contexts SET levels = ? WHERE id = ? AND expires_at = ?"
_ANSWER = "SELECT body FROM answers WHERE context_id = ? AND key = ? AND expires_at = ?"
_KEEP = "INSERT INTO answers (context_id, key, expires_at, body) VALUES (?, ?, ?, ?)"


class Last(NamedTuple):
    """When a context was last answered, and that answer's interval."""

    inspected_at: datetime
    interval_ms: int


class Found(NamedTuple):
    """A context's row, as far as the next step needs it."""

    revision: int
    state: bytes
    inspected_at: datetime
    interval_ms: int
    levels: Levels | None = None
    """Where a person has set others than the context was opened with."""


class Moved(NamedTuple):
    """What an inspection writes."""

    state: bytes
    inspected_at: datetime
    interval_ms: int
    camera: str | None
    answer: str
    progress: str | None = None
    """None leaves the last one."""


def last(within: Session | Connection, context: Context) -> Last | None:
    """The context's last answer; None before the first."""
    row = driver_sql.fetch_row(within, _LAST, context.id, context.expires_at)
    return Last(as_time(row[0]), row[1]) if row is not None else None


class LastState(NamedTuple):
    """A print's state after its last picture, and when that was."""

    state: bytes
    inspected_at: datetime


def last_state(session: Session, context_id: str, expires_at: datetime) -> LastState | None:
    """A print's last state; None before its first picture."""
    row = session.execute(
        select(ContextRow.state, ContextRow.inspected_at).where(
            ContextRow.id == context_id, ContextRow.expires_at == expires_at
        )
    ).one_or_none()
    return LastState(bytes(row.state), row.inspected_at) if row is not None else None


def find(session: Session, context: Context) -> Found | None:
    """The context's row; None before its first inspection, or when it was swept or is out of reach."""
    row = driver_sql.fetch_row(session, _FIND, context.id, context.expires_at)
    if row is None:
        return None
    levels = unpack_levels(row[4]) if row[4] is not None else None
    return Found(row[0], bytes(row[1]), as_time(row[2]), row[3], levels)


def add(session: Session, context: Context, moved: Moved) -> None:
    """Write the first inspection. Raises IntegrityError if another call wrote it first."""
    driver_sql.execute(
        session, _ADD, *moved, context.id, context.account_id, context.opened_at, context.expires_at
    )


def move(session: Session, context: Context, seen: int, moved: Moved) -> bool:
    """Write an inspection if the context still is at revision `seen`; whether it was."""
    return driver_sql.execute(session, _MOVE, *moved, context.id, context.expires_at, seen) == 1


def apply_feedback(session: Session, context: Context, seen: int, state: bytes) -> bool:
    """Write a taught state if the context still is at revision `seen`; whether it was."""
    return driver_sql.execute(session, _TEACH, state, context.id, context.expires_at, seen) == 1


def set_levels(session: Session, context: Context, levels: Levels) -> bool:
    """Judge the context at these levels from its next picture on; False before its first inspection."""
    packed = pack_levels(levels)
    return driver_sql.execute(session, _SET_LEVELS, packed, context.id, context.expires_at) == 1


def answer(within: Session | Connection, context: Context, key: str) -> str | None:
    """The answer stored under an Idempotency-Key."""
    row = driver_sql.fetch_row(within, _ANSWER, context.id, key, context.expires_at)
    return row[0] if row is not None else None


def keep_answer(session: Session, context: Context, key: str, body: str) -> None:
    """Store an answer under its Idempotency-Key. Raises IntegrityError if there is one."""
    driver_sql.execute(session, _KEEP, context.id, key, context.expires_at, body)


def as_row(context: Context, revision: int, moved: Moved) -> dict[str, Any]:
    """A row of the contexts' table, by column."""
    return {
        "id": context.id,
        "account_id": context.account_id,
        "opened_at": context.opened_at,
        "expires_at": context.expires_at,
        "revision": revision,
        "levels": None,  # a person sets others only after the first inspection
        **moved._asdict(),
    }


def as_answer(context: Context, key: str, body: str) -> dict[str, Any]:
    """A row of the answers' table, by column."""
    return {"context_id": context.id, "key": key, "expires_at": context.expires_at, "body": body}
