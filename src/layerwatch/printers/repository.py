"""All SQL of printers' memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Delete, delete, select, update
from sqlalchemy.orm import Session

from layerwatch.printers.models import PrinterMemoryRow, UnlearnedPrintRow
from layerwatch.storage import driver_sql

MAX_PRINTERS_PER_ACCOUNT = 500
"""Memories kept for an account, 8 KB each; those that printed last are kept."""

_START = (
    "SELECT m.scene FROM unlearned_prints u LEFT JOIN printer_memories m"
    " ON m.account_id = u.account_id AND m.printer = u.printer AND m.camera = u.camera"
    " WHERE u.context_id = ? AND u.opening IS NULL"
)


@dataclass(frozen=True, slots=True)
class PrinterKey:
    """Whose memory: an account, its printer, and the camera label, empty where there is none."""

    account_id: int
    printer: str
    camera: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """Found for a print that has a printer and no judged picture yet. scene: its memory, if there is any."""

    scene: bytes | None


def open_print(
    session: Session, key: PrinterKey, context_id: str, opened_at: datetime, expires_at: datetime
) -> None:
    """Note a new print, so that its printer's memory can learn from it when it is over."""
    session.add(
        UnlearnedPrintRow(
            context_id=context_id,
            account_id=key.account_id,
            printer=key.printer,
            camera=key.camera,
            opened_at=opened_at,
            expires_at=expires_at,
        )
    )


def opened(session: Session, context_id: str) -> Opened | None:
    """What a print starts from; None for one without a printer or with its first picture behind it."""
    row = driver_sql.fetch_row(session, _START, context_id)
    return None if row is None else Opened(None if row[0] is None else bytes(row[0]))


def keep_opening(session: Session, context_id: str, opening: bytes, bed: bytes | None) -> None:
    """Keep what a print's first judged picture showed, unless there is one already."""
    session.execute(
        update(UnlearnedPrintRow)
        .where(UnlearnedPrintRow.context_id == context_id, UnlearnedPrintRow.opening.is_(None))
        .values(opening=opening, bed=bed)
    )


def unlearned(session: Session, key: PrinterKey) -> Sequence[UnlearnedPrintRow]:
    """Prints of a printer that its memory has not learned from, oldest first."""
    return session.scalars(
        select(UnlearnedPrintRow)
        .where(
            UnlearnedPrintRow.account_id == key.account_id,
            UnlearnedPrintRow.printer == key.printer,
            UnlearnedPrintRow.camera == key.camera,
        )
        .order_by(UnlearnedPrintRow.opened_at)
    ).all()


def unlearned_since(
    session: Session, after: datetime | None, before: datetime, limit: int
) -> Sequence[UnlearnedPrintRow]:
    """Prints opened after and before these moments that no memory has learned from, oldest first."""
    wanted = [UnlearnedPrintRow.opened_at < before]
    if after is not None:
        wanted.append(UnlearnedPrintRow.opened_at > after)
    return session.scalars(
        select(UnlearnedPrintRow).where(*wanted).order_by(UnlearnedPrintRow.opened_at).limit(limit)
    ).all()


def claim(session: Session, context_id: str) -> bool:
    """Take a print off the list of unlearned ones; False if another node did."""
    return _count(session, delete(UnlearnedPrintRow).where(UnlearnedPrintRow.context_id == context_id)) == 1


def find(session: Session, key: PrinterKey) -> PrinterMemoryRow | None:
    """A printer's memory."""
    return session.get(PrinterMemoryRow, (key.account_id, key.printer, key.camera))


def add(session: Session, key: PrinterKey, at: datetime) -> PrinterMemoryRow:
    """An empty memory of a printer; the account's oldest beyond `MAX_PRINTERS_PER_ACCOUNT` are forgotten."""
    row = PrinterMemoryRow(account_id=key.account_id, printer=key.printer, camera=key.camera, printed_at=at)
    session.add(row)
    session.flush()
    beyond = session.scalars(
        select(PrinterMemoryRow)
        .where(PrinterMemoryRow.account_id == key.account_id)
        .order_by(PrinterMemoryRow.printed_at.desc(), PrinterMemoryRow.printer, PrinterMemoryRow.camera)
        .offset(MAX_PRINTERS_PER_ACCOUNT)
    ).all()
    for oldest in beyond:
        session.delete(oldest)
    return row


def memories(session: Session, account_id: int | None = None) -> Sequence[PrinterMemoryRow]:
    """The memories of one account or of all, by printer."""
    wanted = select(PrinterMemoryRow).order_by(
        PrinterMemoryRow.account_id, PrinterMemoryRow.printer, PrinterMemoryRow.camera
    )
    if account_id is not None:
        wanted = wanted.where(PrinterMemoryRow.account_id == account_id)
    return session.scalars(wanted).all()


def unlearn(session: Session, context_id: str) -> None:
    """A failure of this print was reported: nothing is learned from it, or what was is taken back."""
    session.execute(delete(UnlearnedPrintRow).where(UnlearnedPrintRow.context_id == context_id))
    session.execute(
        update(PrinterMemoryRow)
        .where(PrinterMemoryRow.last_print == context_id)
        .values(
            scene=PrinterMemoryRow.scene_before,
            bed=PrinterMemoryRow.bed_before,
            last_print=None,
        )
    )


def forget(session: Session, account_id: int, printer: str | None = None, camera: str | None = None) -> int:
    """Delete the memories of an account, of one printer or of one camera; how many went.

    Running prints go on with what they started from, and teach nothing.
    """
    gone = 0
    for table in (PrinterMemoryRow, UnlearnedPrintRow):
        wanted = [table.account_id == account_id]
        if printer is not None:
            wanted.append(table.printer == printer)
        if camera is not None:
            wanted.append(table.camera == camera)
        counted = _count(session, delete(table).where(*wanted))
        gone += counted if table is PrinterMemoryRow else 0
    return gone


def forget_unused(session: Session, before: datetime, limit: int) -> int:
    """Delete at most `limit` memories of printers that have not printed since; how many went."""
    rows = session.scalars(
        select(PrinterMemoryRow)
        .where(PrinterMemoryRow.printed_at < before)
        .order_by(PrinterMemoryRow.printed_at)
        .limit(limit)
    ).all()
    for row in rows:
        session.delete(row)
    return len(rows)


def _count(session: Session, statement: Delete) -> int:
    return int(cast(Any, session.execute(statement)).rowcount)
