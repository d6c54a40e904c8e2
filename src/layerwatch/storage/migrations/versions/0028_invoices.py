"""Invoices fit to send: the buyer's address and tax id, tax, and how to pay."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0024"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("billing_name", sa.String(120)))
    op.add_column("accounts", sa.Column("billing_address", sa.String(400)))
    op.add_column("accounts", sa.Column("billing_country", sa.String(2)))
    op.add_column("accounts", sa.Column("tax_id", sa.String(40)))
    op.add_column("invoices", sa.Column("tax", sa.Text))
    op.add_column("invoices", sa.Column("pay_to", sa.Text))


def downgrade() -> None:
    for column in ("pay_to", "tax"):
        op.drop_column("invoices", column)
    for column in ("tax_id", "billing_country", "billing_address", "billing_name"):
        op.drop_column("accounts", column)
