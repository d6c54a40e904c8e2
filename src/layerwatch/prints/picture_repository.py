"""Which pictures of prints are kept, in the database: every statement on their table is here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, tuple_
from sqlalchemy.orm import Session

from layerwatch.prints.models import KeptPictureRow
from layerwatch.storage import driver_sql

_ADD = (
    "INSERT INTO print_pictures (context_id, second, account_id, kept_at, size) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (context_id, second) DO UPDATE SET size = excluded.size"
)

_KEY = (KeptPictureRow.context_id, KeptPictureRow.second)


class KeptPicture(NamedTuple):
    """A picture that is kept."""

    account_id: int
    context_id: str
    second: int


def add_picture(
    session: Session, context_id: str, second: int, account_id: int, kept_at: datetime, size: int
) -> None:
    """Note that a copy of a picture is kept."""
    driver_sql.execute(session, _ADD, context_id, second, account_id, kept_at, size)


def kept_seconds(session: Session, context_id: str) -> list[int]:
    """The seconds of a print of which a picture is kept, ascending."""
    return list(
        session.scalars(
            select(KeptPictureRow.second)
            .where(KeptPictureRow.context_id == context_id)
            .order_by(KeptPictureRow.second)
        )
    )


def kept_bytes(session: Session, *, account_id: int | None = None, context_id: str | None = None) -> int:
    """Bytes of the pictures that are kept for an account, or of one print."""
    total = select(func.coalesce(func.sum(KeptPictureRow.size), 0))
    if account_id is not None:
        total = total.where(KeptPictureRow.account_id == account_id)
    if context_id is not None:
        total = total.where(KeptPictureRow.context_id == context_id)
    return int(session.scalar(total) or 0)


def picture_owner(session: Session, context_id: str, second: int) -> int | None:
    """The account of a kept picture; None if it is not kept."""
    row = session.get(KeptPictureRow, (context_id, second))
    return None if row is None else row.account_id


def newest_seconds(session: Session, context_ids: Collection[str]) -> dict[str, int]:
    """The second of the last kept picture of each print that has one."""
    rows = session.execute(
        select(KeptPictureRow.context_id, func.max(KeptPictureRow.second))
        .where(KeptPictureRow.context_id.in_(context_ids))
        .group_by(KeptPictureRow.context_id)
    )
    return dict(rows.all())


def oldest(
    session: Session,
    limit: int,
    *,
    account_id: int | None = None,
    context_ids: Collection[str] | None = None,
    before: datetime | None = None,
) -> list[KeptPicture]:
    """The oldest pictures for which everything that is given holds."""
    wanted: list[ColumnElement[bool]] = []
    if account_id is not None:
        wanted.append(KeptPictureRow.account_id == account_id)
    if context_ids is not None:
        wanted.append(KeptPictureRow.context_id.in_(context_ids))
    if before is not None:
        wanted.append(KeptPictureRow.kept_at < before)
    found = select(KeptPictureRow.account_id, *_KEY).where(*wanted).order_by(KeptPictureRow.kept_at, *_KEY)
    return [KeptPicture(*row) for row in session.execute(found.limit(limit))]


def oldest_sizes(session: Session, account_id: int, limit: int) -> Sequence[int]:
    """Bytes of the account's oldest pictures, in the order of `oldest`."""
    found = select(KeptPictureRow.size).where(KeptPictureRow.account_id == account_id)
    return session.scalars(found.order_by(KeptPictureRow.kept_at, *_KEY).limit(limit)).all()


def accounts_beyond(session: Session, most_bytes: int) -> dict[int, int]:
    """The accounts whose pictures have more bytes than this, and how many they have."""
    total = func.sum(KeptPictureRow.size)
    found = session.execute(
        select(KeptPictureRow.account_id, total)
        .group_by(KeptPictureRow.account_id)
        .having(total > most_bytes)
    )
    return {account_id: int(size) for account_id, size in found}


def kept_among(session: Session, pictures: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """Which of these pictures (context, second) are kept."""
    rows = session.execute(select(*_KEY).where(tuple_(*_KEY).in_(list(pictures))))
    return {(row.context_id, row.second) for row in rows}


def delete_pictures(session: Session, pictures: Collection[tuple[str, int]]) -> None:
    """Delete the rows of pictures (context, second)."""
    session.execute(delete(KeptPictureRow).where(tuple_(*_KEY).in_(list(pictures))))
