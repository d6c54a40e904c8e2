"""What the status page tells: each region's hours."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_NUMBERS = (
    *("up", "away", "failing", "refusing", "answered", "refused", "failed"),
    *("within_50", "within_100", "within_200", "within_500", "within_1000", "within_2000", "longer"),
)


def upgrade() -> None:
    op.create_table(
        "status_hours",
        sa.Column("region", sa.String(8), primary_key=True),
        sa.Column("hour", sa.BigInteger, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _NUMBERS),
    )


def downgrade() -> None:
    op.drop_table("status_hours")
