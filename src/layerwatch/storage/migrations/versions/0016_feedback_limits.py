"""What limits on feedback count: sizes of pictures, and indexes by print, time and picture."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_INDEXES = (["account_id", "at"], ["context_id"], ["at"], ["picture"])


def upgrade() -> None:
    op.add_column("feedback", sa.Column("picture_bytes", sa.BigInteger))
    op.drop_index("ix_feedback_account_id", "feedback")
    for columns in _INDEXES:
        op.create_index(f"ix_feedback_{'_'.join(columns)}", "feedback", columns)


def downgrade() -> None:
    for columns in _INDEXES:
        op.drop_index(f"ix_feedback_{'_'.join(columns)}", "feedback")
    op.create_index("ix_feedback_account_id", "feedback", ["account_id"])
    with op.batch_alter_table("feedback") as feedback:
        feedback.drop_column("picture_bytes")
