"""Keys that retire once they are replaced, and a limit on what an account spends in a month."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("retires_at", sa.BigInteger))
    op.create_index("ix_api_keys_retires_at", "api_keys", ["retires_at"])
    op.add_column("accounts", sa.Column("spend_limit", sa.BigInteger))
    op.add_column("accounts", sa.Column("spend_limit_reported", sa.String(7)))


def downgrade() -> None:
    op.drop_column("accounts", "spend_limit_reported")
    op.drop_column("accounts", "spend_limit")
    op.drop_index("ix_api_keys_retires_at", "api_keys")
    op.drop_column("api_keys", "retires_at")
