"""Tables of printers' memories, and of the prints that one has yet to learn from."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.core.text import MAX_NAME_LENGTH
from layerwatch.storage import Base


class PrinterMemoryRow(Base):
    """What is remembered of a printer before one camera, at most 8 KB; deleted when it stops printing."""

    __tablename__ = "printer_memories"
    __table_args__ = (Index(None, "printed_at"),)

    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    printer: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH), primary_key=True)
    camera: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH), primary_key=True)
    """The label `Camera`; empty where none was given."""
    printed_at: Mapped[datetime]
    """When its last print began, or its bed was last shown."""
    scene: Mapped[bytes | None] = mapped_column(LargeBinary)
    """`temporal.PrinterMemory`, packed."""
    bed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """`vision.EmptyBed`, packed."""
    last_print: Mapped[str | None] = mapped_column(String(64))
    """The context that it last learned from, and what it was before: a failure may be reported late."""
    scene_before: Mapped[bytes | None] = mapped_column(LargeBinary)
    bed_before: Mapped[bytes | None] = mapped_column(LargeBinary)


class UnlearnedPrintRow(Base):
    """A print that its printer's memory has not learned from: it runs, or nobody has asked since it ended."""

    __tablename__ = "unlearned_prints"
    __table_args__ = (Index(None, "account_id", "printer", "camera"), Index(None, "opened_at"))

    context_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int]
    printer: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    camera: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    opening: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Thumbnail of the first judged picture."""
    bed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """`vision.BedView` of the same picture."""
