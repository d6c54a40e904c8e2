"""What is remembered of a printer from print to print."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0020"

_PRINTER = (("printer", sa.String(120)), ("camera", sa.String(120)))


def upgrade() -> None:
    op.create_table(
        "printer_memories",
        sa.Column("account_id", sa.BigInteger, nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in _PRINTER),
        sa.Column("printed_at", sa.BigInteger, nullable=False),
        sa.Column("scene", sa.LargeBinary, nullable=True),
        sa.Column("bed", sa.LargeBinary, nullable=True),
        sa.Column("last_print", sa.String(64), nullable=True),
        sa.Column("scene_before", sa.LargeBinary, nullable=True),
        sa.Column("bed_before", sa.LargeBinary, nullable=True),
        sa.PrimaryKeyConstraint("account_id", "printer", "camera", name="pk_printer_memories"),
    )
    op.create_index("ix_printer_memories_printed_at", "printer_memories", ["printed_at"])
    op.create_table(
        "unlearned_prints",
        sa.Column("context_id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in _PRINTER),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("opening", sa.LargeBinary, nullable=True),
        sa.Column("bed", sa.LargeBinary, nullable=True),
        sa.PrimaryKeyConstraint("context_id", name="pk_unlearned_prints"),
    )
    op.create_index(
        "ix_unlearned_prints_account_id_printer_camera",
        "unlearned_prints",
        ["account_id", "printer", "camera"],
    )
    op.create_index("ix_unlearned_prints_opened_at", "unlearned_prints", ["opened_at"])


def downgrade() -> None:
    op.drop_table("unlearned_prints")
    op.drop_table("printer_memories")
