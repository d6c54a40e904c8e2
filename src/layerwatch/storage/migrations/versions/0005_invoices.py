"""Invoices, credit notes, payments, spend alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("number", sa.String(20), nullable=False, unique=True),
        sa.Column("account_id", RowId, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("seller", sa.Text, nullable=False),
        sa.Column("buyer", sa.Text, nullable=False),
        sa.Column("quote", sa.Text, nullable=False),
        sa.Column("cents", sa.BigInteger, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("stripe_id", sa.String(80), unique=True),
    )
    op.create_index("ix_invoices_account_id", "invoices", ["account_id"])
    op.create_table(
        "closings",
        sa.Column("account_id", RowId, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("invoice_id", RowId, sa.ForeignKey("invoices.id")),
        sa.Column("closed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "credit_notes",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("number", sa.String(20), nullable=False, unique=True),
        sa.Column("invoice_id", RowId, sa.ForeignKey("invoices.id"), nullable=False),
        sa.Column("cents", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_credit_notes_invoice_id", "credit_notes", ["invoice_id"])
    op.create_table(
        "payments",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("invoice_id", RowId, sa.ForeignKey("invoices.id"), nullable=False),
        sa.Column("cents", sa.BigInteger, nullable=False),
        sa.Column("method", sa.String(20), nullable=False),
        sa.Column("reference", sa.String(120), nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("method", "reference"),
    )
    op.create_index("ix_payments_invoice_id", "payments", ["invoice_id"])
    op.create_table(
        "counters",
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "spend_alerts",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("account_id", RowId, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("micro_dollars", sa.BigInteger, nullable=False),
        sa.Column("email", sa.String(254)),
        sa.Column("webhook", sa.String(500)),
        sa.Column("webhook_secret", sa.String(80)),
        sa.Column("told_month", sa.String(7)),
    )
    op.create_index("ix_spend_alerts_account_id", "spend_alerts", ["account_id"])


def downgrade() -> None:
    for table in ("spend_alerts", "counters", "payments", "credit_notes", "closings", "invoices"):
        op.drop_table(table)
