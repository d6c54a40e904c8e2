"""Contexts in the database: every statement on their table is here.

What runs with every picture is plain SQL, built once. Every query names the expiry beside the id, which
contains it: PostgreSQL then touches one partition only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    Connection,
    Table,
    bindparam,
    func,
    select,
    text,
    update,
)
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


_CONTEXTS = cast(Table, ContextRow.__table__)
_THESE = (_CONTEXTS.c.id == bindparam("context"), _CONTEXTS.c.expires_at == bindparam("expires"))
_COLUMNS = [column.name for column in _CONTEXTS.c]
_ADD_MISSING = text(
    f"INSERT INTO contexts ({', '.join(_COLUMNS)})"
    f" VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) ON CONFLICT DO NOTHING"
).bindparams(*(bindparam(column.name, type_=column.type) for column in _CONTEXTS.c))

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""When a context was inspected last that got its row only to be locked."""


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


class LastInspection(NamedTuple):
    """When a context was inspected last, and the answer then. At `LONG_AGO`: the answer means nothing."""

    inspected_at: datetime
    answer: str


def lock_many(session: Session, contexts: Mapping[str, tuple[Context, Moved]]) -> dict[str, LastInspection]:
    """Hold contexts, by id; each has a row from now on. contexts: what a missing one's row is made of."""
    here = (
        _CONTEXTS.c.id.in_(contexts),
        _CONTEXTS.c.expires_at.in_({context.expires_at for context, _ in contexts.values()}),
    )
    missing = sorted(contexts.keys() - set(session.scalars(select(_CONTEXTS.c.id).where(*here))))
    if missing:
        session.execute(_ADD_MISSING, [_never_inspected(*contexts[context]) for context in missing])
    found = session.execute(
        select(_CONTEXTS.c.id, _CONTEXTS.c.inspected_at, _CONTEXTS.c.answer)
        .where(*here)
        .order_by(_CONTEXTS.c.id)
        .with_for_update()
    )
    return {row.id: LastInspection(row.inspected_at, row.answer) for row in found}


def count_many(session: Session, contexts: Iterable[tuple[Context, int]]) -> None:
    """Add numbers of inspections to contexts' revisions; their states stay."""
    statement = update(_CONTEXTS).where(*_THESE)
    counted = statement.values(revision=_CONTEXTS.c.revision + bindparam("units"))
    values = [{"context": one.id, "expires": one.expires_at, "units": units} for one, units in contexts]
    if values:
        session.execute(counted, values)


def move_many(session: Session, contexts: Iterable[tuple[Context, int, Moved]]) -> None:
    """Write states, whatever is there, and add numbers of inspections to the revisions."""
    progress = bindparam("new_progress", type_=_CONTEXTS.c.progress.type)
    statement = (
        update(_CONTEXTS)
        .where(*_THESE)
        .values(revision=_CONTEXTS.c.revision + bindparam("units"))
        .values({name: bindparam(f"new_{name}") for name in Moved._fields})
        .values(progress=func.coalesce(progress, _CONTEXTS.c.progress))
    )
    values = [
        {"context": one.id, "expires": one.expires_at, "units": units}
        | {f"new_{name}": value for name, value in moved._asdict().items()}
        for one, units, moved in contexts
    ]
    if values:
        session.execute(statement, values)


def find_row(session: Session, context_id: str) -> ContextRow | None:
    """A context's row by its id alone, for pages."""
    return session.get(ContextRow, context_id)


class Inspected(NamedTuple):
    """A context as pages show it: without the state, which is large."""

    id: str
    account_id: int
    opened_at: datetime
    inspected_at: datetime
    interval_ms: int
    revision: int
    answer: str
    progress: str | None
    levels: int | None


def inspected_since(
    session: Session,
    account_ids: Collection[int],
    since: datetime,
    now: datetime,
    *,
    context_id: str | None = None,
    limit: int | None = None,
) -> Sequence[Inspected]:
    """The accounts' contexts that were inspected after a time, by the time when they were opened.

    context_id: only this one.
    """
    only = (ContextRow.id == context_id,) if context_id is not None else ()
    wanted = (
        select(
            ContextRow.id,
            ContextRow.account_id,
            ContextRow.opened_at,
            ContextRow.inspected_at,
            ContextRow.interval_ms,
            ContextRow.revision,
            ContextRow.answer,
            ContextRow.progress,
            ContextRow.levels,
        )
        .where(
            ContextRow.account_id.in_(account_ids),
            ContextRow.inspected_at > since,
            *only,
            ContextRow.expires_at > now,  # PostgreSQL then reads the partitions of live contexts only
        )
        .order_by(ContextRow.opened_at, ContextRow.id)
    )
    return [Inspected(*row) for row in session.execute(wanted.limit(limit))]


def _never_inspected(context: Context, moved: Moved) -> dict[str, Any]:
    """A row of the contexts' table, by column, for a context without an inspection."""
    return {
        "id": context.id,
        "account_id": context.account_id,
        "opened_at": context.opened_at,
        "expires_at": context.expires_at,
        "revision": 0,
        "levels": None,  # a person sets others only after the first inspection
        **moved._replace(inspected_at=LONG_AGO)._asdict(),
    }


def open_ids(session: Session, account_id: int, ids: Collection[str], now: datetime) -> set[str]:
    """Which of these contexts are the account's, and not expired."""
    own = select(ContextRow.id).where(
        ContextRow.id.in_(ids), ContextRow.account_id == account_id, ContextRow.expires_at > now
    )
    return set(session.scalars(own))
