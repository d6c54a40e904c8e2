"""An index by expiry for what lies in no day's partition, on PostgreSQL.

Such rows are deleted a few at a time, oldest first. Without it each batch reads past all that the batches
before it deleted.
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"

_TABLES = ("contexts", "answers")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in _TABLES:
            op.execute(f"CREATE INDEX ix_{table}_rest_expires_at ON {table}_rest (expires_at)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in _TABLES:
            op.execute(f"DROP INDEX ix_{table}_rest_expires_at")
