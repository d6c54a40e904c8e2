"""API keys in the database: every statement on their table is here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from layerwatch.keys.models import ApiKey
from layerwatch.storage import driver_sql

# Read with almost every call, so by the shortest way there is, and with the account that belongs to it.
_FIND = (
    "SELECT k.id, k.account_id, k.digest, k.prefix, k.test, k.dialect, k.addresses, k.disabled_at,"
    " a.blocked_from, a.free_only, a.price_book, a.spend_limit, k.retires_at"
    " FROM api_keys k JOIN accounts a ON a.id = k.account_id WHERE k.digest = ?"
)


class FoundKey(NamedTuple):
    """A key with what its account says of its calls, as the driver gives the values. Times: microseconds."""

    key_id: int
    account_id: int
    digest: bytes
    prefix: str
    test: bool | int
    dialect: int
    addresses: str
    disabled_at: int | None
    blocked_from: int | None
    free_only: bool | int
    price_book: str
    spend_limit: int | None
    retires_at: int | None


def by_digest(connection: Connection, digest: bytes) -> FoundKey | None:
    """The key whose text has this keyed hash."""
    row = driver_sql.fetch_row(connection, _FIND, digest)
    return None if row is None else FoundKey(*row)


def add(session: Session, **values: Any) -> ApiKey:
    """Add a key that is not disabled."""
    key = ApiKey(**values, disabled_at=None)
    session.add(key)
    session.flush()
    return key


def key_or_none(session: Session, key_id: int) -> ApiKey | None:
    """A key by its number."""
    return session.get(ApiKey, key_id)


def keys_of(session: Session, account_id: int) -> Sequence[ApiKey]:
    """The account's keys, the disabled ones too, newest first."""
    wanted = select(ApiKey).where(ApiKey.account_id == account_id).order_by(ApiKey.id.desc())
    return session.scalars(wanted).all()


def number_in_use(session: Session, account_id: int) -> int:
    """How many keys of an account are not disabled."""
    live = select(ApiKey.id).where(ApiKey.account_id == account_id, ApiKey.disabled_at.is_(None))
    return len(session.scalars(live).all())


def any_in_use(session: Session) -> bool:
    """Whether there is a key that is not disabled, of whatever account."""
    return session.scalar(select(ApiKey.id).where(ApiKey.disabled_at.is_(None)).limit(1)) is not None


def to_retire(session: Session, now: datetime, limit: int) -> Sequence[ApiKey]:
    """Replaced keys whose overlap is over and that no other transaction is disabling, held."""
    return session.scalars(
        select(ApiKey)
        .where(ApiKey.retires_at <= now, ApiKey.disabled_at.is_(None))
        .order_by(ApiKey.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
