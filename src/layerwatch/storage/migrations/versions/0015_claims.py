"""Claims with leases, and a record for each piece of work that is done under one.

A spend alert's mail and webhook are recorded apart; an invoice remembers when its payment was last asked for,
in place of the marks among the payment provider's events.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "claims",
        sa.Column("name", sa.String(120), primary_key=True),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
    )
    op.add_column("invoices", sa.Column("payment_asked_at", sa.BigInteger))
    op.execute("DELETE FROM payment_events WHERE kind = 'collect'")
    op.add_column("spend_alerts", sa.Column("mailed_month", sa.String(7)))
    op.add_column("spend_alerts", sa.Column("posted_month", sa.String(7)))
    op.execute("UPDATE spend_alerts SET mailed_month = told_month, posted_month = told_month")
    op.drop_column("spend_alerts", "told_month")


def downgrade() -> None:
    op.add_column("spend_alerts", sa.Column("told_month", sa.String(7)))
    op.execute(
        "UPDATE spend_alerts SET told_month ="
        " CASE WHEN email IS NULL OR webhook IS NULL OR mailed_month = posted_month"
        " THEN COALESCE(mailed_month, posted_month) END"
    )
    op.drop_column("spend_alerts", "posted_month")
    op.drop_column("spend_alerts", "mailed_month")
    op.drop_column("invoices", "payment_asked_at")
    op.drop_table("claims")
