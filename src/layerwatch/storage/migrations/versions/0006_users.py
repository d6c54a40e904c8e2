"""Users, sessions, one-time links, attempts, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("verified_at", sa.BigInteger),
        sa.Column("password", sa.String(200)),
        sa.Column("operator", sa.Boolean, nullable=False),
        sa.Column("totp_nonce", sa.LargeBinary(16)),
        sa.Column("totp_since", sa.BigInteger),
        sa.Column("totp_step", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.String(255), unique=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "memberships",
        sa.Column("user_id", RowId, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("account_id", RowId, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("role", sa.String(12), nullable=False),
    )
    op.create_index("ix_memberships_account_id", "memberships", ["account_id"])
    op.create_table(
        "web_sessions",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("user_id", RowId, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("account_id", RowId, sa.ForeignKey("accounts.id")),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_web_sessions_user_id", "web_sessions", ["user_id"])
    op.create_table(
        "one_time_links",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("user_id", RowId, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("purpose", sa.String(12), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_one_time_links_user_id", "one_time_links", ["user_id"])
    op.create_index("ix_one_time_links_expires_at", "one_time_links", ["expires_at"])
    op.create_table(
        "attempts",
        sa.Column("subject", sa.String(80), primary_key=True),
        sa.Column("window", sa.BigInteger, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.BigInteger),
        sa.Column("user_id", sa.BigInteger),
        sa.Column("who", sa.String(254), nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("detail", sa.String(500), nullable=False),
    )
    op.create_index("ix_audit_account_id_id", "audit", ["account_id", "id"])


def downgrade() -> None:
    for table in ("audit", "attempts", "one_time_links", "web_sessions", "memberships", "users"):
        op.drop_table(table)
