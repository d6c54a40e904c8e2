"""Invitations, recovery codes, the account a user last worked in.

Invitations used to make a member of the user with the invited address, verified or not. Memberships of
unverified users end here, except where nobody verified owns the account: those are people who signed up and
have not opened their mail yet.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0014"
down_revision = "0013"

_UNVERIFIED = "(SELECT id FROM users WHERE verified_at IS NULL)"


def upgrade() -> None:
    op.add_column("users", sa.Column("working_account_id", sa.BigInteger))
    op.create_table(
        "invitations",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("account_id", RowId, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("role", sa.String(12), nullable=False),
        sa.Column("invited_by", RowId, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("account_id", "email"),
    )
    op.create_index("ix_invitations_email", "invitations", ["email"])
    op.create_index("ix_invitations_expires_at", "invitations", ["expires_at"])
    op.create_table(
        "recovery_codes",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("user_id", RowId, sa.ForeignKey("users.id"), nullable=False),
    )
    op.create_index("ix_recovery_codes_user_id", "recovery_codes", ["user_id"])
    op.execute("DELETE FROM one_time_links WHERE purpose = 'invite'")
    op.execute(
        f"DELETE FROM memberships WHERE user_id IN {_UNVERIFIED} AND account_id IN"
        " (SELECT m.account_id FROM memberships m JOIN users u ON u.id = m.user_id"
        " WHERE m.role = 'owner' AND u.verified_at IS NOT NULL)"
    )
    op.execute(f"DELETE FROM web_sessions WHERE user_id IN {_UNVERIFIED}")


def downgrade() -> None:
    op.drop_table("recovery_codes")
    op.drop_table("invitations")
    op.drop_column("users", "working_account_id")
