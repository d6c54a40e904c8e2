"""Pictures behind feedback as rows of their own, with their reviews; consent; hashes that were withdrawn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0030"
down_revision = "0029"

_MOVED = ("picture", "picture_bytes", "label", "failure_type", "reviewed_by", "reviewed_at")


def upgrade() -> None:
    op.add_column(
        "accounts", sa.Column("share_pictures", sa.Boolean, nullable=False, server_default=sa.false())
    )
    # The installation's own account, whose pictures are its operator's: as `identity.service.local_account`.
    op.execute("UPDATE accounts SET share_pictures = true WHERE name = 'local' AND price_book = 'local'")
    op.create_table(
        "examples",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("feedback_id", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("folder", sa.String(16), nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("dhash", sa.String(64)),
        sa.Column("failure_probability", sa.Double),
        sa.Column("model_version", sa.String(64)),
        sa.Column("second_probability", sa.Double),
        sa.Column("second_model", sa.String(64)),
        sa.Column("label", sa.String(16)),
        sa.Column("failure_type", sa.String(24)),
        sa.Column("reviewed_at", sa.BigInteger),
    )
    op.create_table(
        "example_reviews",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("example_id", sa.BigInteger, nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("failure_type", sa.String(24)),
        sa.Column("by", sa.String(120), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "withdrawn_pictures",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO examples (feedback_id, account_id, sha256, folder, size, failure_probability,"
        " model_version, label, failure_type, reviewed_at)"
        " SELECT id, account_id, picture, 'moved', picture_bytes, failure_probability, model_version, label,"
        " failure_type, reviewed_at FROM feedback WHERE picture IS NOT NULL"
    )
    op.execute(
        'INSERT INTO example_reviews (example_id, label, failure_type, "by", "at")'
        " SELECT examples.id, feedback.label, feedback.failure_type, coalesce(feedback.reviewed_by, ''),"
        " coalesce(feedback.reviewed_at, feedback.at)"
        " FROM feedback JOIN examples ON examples.feedback_id = feedback.id WHERE feedback.label IS NOT NULL"
    )
    for columns in (["feedback_id"], ["account_id"], ["sha256"], ["label"]):
        op.create_index(f"ix_examples_{columns[0]}", "examples", columns)
    op.create_index("ix_example_reviews_example_id", "example_reviews", ["example_id"])
    for name in ("picture", "label"):
        op.drop_index(f"ix_feedback_{name}", "feedback")
    for name in _MOVED:
        op.drop_column("feedback", name)
    op.add_column("feedback", sa.Column("second", sa.Double))
    op.add_column("feedback", sa.Column("printer", sa.String(120)))
    op.add_column("feedback", sa.Column("reported_type", sa.String(24)))
    op.add_column("feedback", sa.Column("comment", sa.String(500)))


def downgrade() -> None:
    for name in ("comment", "reported_type", "printer", "second"):
        op.drop_column("feedback", name)
    for column in (
        sa.Column("picture", sa.String(64)),
        sa.Column("picture_bytes", sa.BigInteger),
        sa.Column("label", sa.String(16)),
        sa.Column("failure_type", sa.String(24)),
        sa.Column("reviewed_by", sa.String(120)),
        sa.Column("reviewed_at", sa.BigInteger),
    ):
        op.add_column("feedback", column)
    for name in ("picture", "label"):
        op.create_index(f"ix_feedback_{name}", "feedback", [name])
    for table in ("withdrawn_pictures", "example_reviews", "examples"):
        op.drop_table(table)
    op.drop_column("accounts", "share_pictures")
