"""The language that a user has chosen for their pages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0034"


def upgrade() -> None:
    op.add_column("users", sa.Column("language", sa.String(8)))


def downgrade() -> None:
    op.drop_column("users", "language")
