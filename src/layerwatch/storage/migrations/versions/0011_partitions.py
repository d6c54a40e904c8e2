"""Contexts and answers in partitions by day of expiry, on PostgreSQL.

No row is copied: the tables as they are become the partition of all that expires before a date, which is
dropped whole when the date has come. See `layerwatch.storage.partitions`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "contexts": (("id",), ("account_id",)),
    "answers": (("context_id", "key"), ()),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, (key, indexed) in _TABLES.items():
        last = op.get_bind().scalar(sa.text(f"SELECT max(expires_at) FROM {table}"))
        old = _set_aside(table, last, indexed)
        op.execute(f"CREATE TABLE {table} (LIKE {old} INCLUDING DEFAULTS) PARTITION BY RANGE (expires_at)")
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({', '.join(key)}, expires_at)"
        )
        for column in indexed:
            op.execute(f"CREATE INDEX ix_{table}_{column} ON {table} ({column})")
        op.execute(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")
        if last is None:
            op.execute(f"DROP TABLE {old}")
            continue
        end = (_after(last) - _EPOCH) // timedelta(microseconds=1)
        op.execute(f"ALTER TABLE {table} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ({end})")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, (key, indexed) in _TABLES.items():
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_services")
        op.execute(f"CREATE TABLE {table} (LIKE {table}_services INCLUDING DEFAULTS)")
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}_services")
        op.execute(f"DROP TABLE {table}_services")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({', '.join(key)})")
        for column in (*indexed, "expires_at"):
            op.execute(f"CREATE INDEX ix_{table}_{column} ON {table} ({column})")


def _set_aside(table: str, last: int | None, indexed: tuple[str, ...]) -> str:
    """Rename the table as it is, and free the names that its successor needs; its new name."""
    old = f"{table}_before_{_after(last or 0):%Y%m%d}"
    op.execute(f"ALTER TABLE {table} RENAME TO {old}")
    op.execute(f"ALTER TABLE {old} DROP CONSTRAINT pk_{table}")
    op.execute(f"DROP INDEX ix_{table}_expires_at")
    for column in indexed:
        op.execute(f"ALTER INDEX ix_{table}_{column} RENAME TO ix_{old}_{column}")
    return old


def _after(last: int) -> datetime:
    """The midnight after the last expiry."""
    at = _EPOCH + timedelta(microseconds=last)
    return at.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
