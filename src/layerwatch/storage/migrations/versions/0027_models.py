"""Models and the steps of their roll-out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from layerwatch.storage.base import RowId

revision = "0027"
down_revision = "0025"


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("added_at", sa.BigInteger, nullable=False),
        sa.Column("added_by", sa.String(120), nullable=False),
    )
    op.create_table(
        "model_steps",
        sa.Column("id", RowId, primary_key=True),
        sa.Column("stage", sa.String(8), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("share", sa.Double, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("taken_by", sa.String(120), nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("rolled_back_at", sa.BigInteger),
        sa.Column("ended_by", sa.String(120)),
        sa.Column("reason", sa.String(200)),
    )
    op.create_index("ix_model_steps_since", "model_steps", ["since"])
    op.create_table(
        "model_comparisons",
        sa.Column("step_id", RowId, primary_key=True),
        sa.Column("node", sa.String(64), primary_key=True),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in (
                *("pictures", "errors", "candidate_alarms", "reference_alarms"),
                *("only_candidate", "only_reference"),
            )
        ),
        sa.Column("candidate_ms", sa.Double, nullable=False),
        sa.Column("reference_ms", sa.Double, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("model_comparisons", "model_steps", "models"):
        op.drop_table(table)
