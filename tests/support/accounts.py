"""Accounts, keys and callers for tests."""

from __future__ import annotations

from datetime import UTC, datetime

from layerwatch.identity import create_account
from layerwatch.keys import Caller, KeyAuthenticator, create_key
from layerwatch.storage import Database

PEPPER = b"a pepper for tests only, 32 bytes"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def make_key(
    database: Database,
    *,
    account: int | None = None,
    test: bool = False,
    dialect: int = 1,
    addresses: tuple[str, ...] = (),
    free_only: bool = False,
    now: datetime = NOON,
) -> tuple[str, int, int]:
    """The text of a new key, its account's number and its own."""
    with database.write() as session:
        if account is None:
            account = create_account(session, "Acme Printing", now, free_only=free_only).id
        new = create_key(
            session,
            account,
            name="printer farm",
            pepper=PEPPER,
            now=now,
            test=test,
            dialect=dialect,
            addresses=addresses,
        )
        return new.text, account, new.row.id


def make_caller(database: Database, **options: object) -> Caller:
    """The caller behind a new key."""
    text, _, _ = make_key(database, **options)  # type: ignore[arg-type]
    return KeyAuthenticator(database, PEPPER).authenticate(text, NOON)
