"""Prints stay after their end: course, events and, where the account says so, pictures."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0027"

_COLUMNS: dict[str, Any] = {
    "seen_at": sa.BigInteger,
    "quality": sa.BigInteger,
    "worst": sa.BigInteger,
    "kind": sa.String(24),
    "warned_at": sa.BigInteger,
    "paused_at": sa.BigInteger,
    "progress": sa.String(400),
}


def upgrade() -> None:
    op.add_column("prints", sa.Column("pictures", sa.BigInteger, nullable=False, server_default="0"))
    for name, kind in _COLUMNS.items():
        op.add_column("prints", sa.Column(name, kind, nullable=True))
    op.create_table(
        "print_timeline",
        sa.Column("context_id", sa.String(64), nullable=False),
        sa.Column("hour", sa.BigInteger, nullable=False),
        sa.Column("entries", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("context_id", "hour", name="pk_print_timeline"),
    )
    op.create_table(
        "print_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("context_id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("who", sa.String(254), nullable=False),
        sa.Column("detail", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_print_events"),
    )
    op.create_index("ix_print_events_context_id", "print_events", ["context_id"])
    op.create_table(
        "print_pictures",
        sa.Column("context_id", sa.String(64), nullable=False),
        sa.Column("second", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("context_id", "second", name="pk_print_pictures"),
    )
    op.create_index("ix_print_pictures_account_id_kept_at", "print_pictures", ["account_id", "kept_at"])
    op.create_index("ix_print_pictures_kept_at", "print_pictures", ["kept_at"])
    op.add_column(
        "accounts", sa.Column("keep_pictures", sa.Boolean, nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    op.drop_column("accounts", "keep_pictures")
    for table in ("print_pictures", "print_events", "print_timeline"):
        op.drop_table(table)
    for name in ("pictures", *_COLUMNS):
        op.drop_column("prints", name)
