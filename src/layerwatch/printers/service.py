"""A printer's memory over its prints: read when one begins, written when one is over.

No call pays for it but `createcontext` with a printer's name and the first picture of its print.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from layerwatch.contexts import Start
from layerwatch.contexts import repository as contexts
from layerwatch.learning.repository import failure_reported
from layerwatch.printers import repository
from layerwatch.printers.models import UnlearnedPrintRow
from layerwatch.printers.repository import PrinterKey
from layerwatch.storage import Database, DatabaseGateway, StorageError
from layerwatch.temporal import (
    MemoryFormatError,
    PrinterMemory,
    PrintState,
    StateFormatError,
    ended_well,
    learn,
)
from layerwatch.vision.bed import BedAnswer, BedCheck, BedFormatError, EmptyBed

log = structlog.get_logger(__name__)

FORGOTTEN_AFTER = timedelta(days=90)
"""Without a print in this time a printer's memory is deleted."""

OVER_AFTER = timedelta(hours=2)
"""A print without a picture for this long is over."""

IDLE_AFTER = timedelta(minutes=15)
"""The same for a bed check, which is made between prints."""

UNKNOWN_BED = BedCheck(
    BedAnswer.CANNOT_SAY,
    reason="this printer's empty bed is not known: send one picture of it with empty=true",
)

BATCH = 100
"""Prints or memories in one transaction of the sweep."""


def start_of(session: Session, context_id: str) -> Start | None:
    """How a print begins: with its printer's memory; None for a print without a named printer."""
    opened = repository.opened(session, context_id)
    return None if opened is None else Start(read_scene(opened.scene))


class PrinterMemories:
    """Keeps what a print's first picture showed, and compares beds with their memory."""

    def __init__(self, gateway: DatabaseGateway) -> None:
        self._gateway = gateway

    async def keep_opening(self, context_id: str, thumbnail: bytes, bed: bytes | None) -> None:
        """Keep the first judged picture of a print for when it is over. Never fails."""
        try:
            await self._gateway.write_async(repository.keep_opening, context_id, thumbnail, bed)
        except StorageError as error:
            log.warning("print_opening_lost", why=str(error))


def open_print(
    session: Session, key: PrinterKey, context_id: str, opened_at: datetime, expires_at: datetime
) -> None:
    """A print begins: those before it on this printer are over and are learned from."""
    learn_from(session, repository.unlearned(session, key))
    repository.open_print(session, key, context_id, opened_at, expires_at)
    row = repository.find(session, key)
    if row is not None:
        row.printed_at = max(row.printed_at, opened_at)


def learn_from(session: Session, prints: Iterable[UnlearnedPrintRow]) -> None:
    """Take prints that are over into their printers' memories, as far as they ended well."""
    for one in prints:
        key, context_id, opened_at = (
            PrinterKey(one.account_id, one.printer, one.camera),
            one.context_id,
            one.opened_at,
        )
        opening, bed_view = one.opening, one.bed
        last = contexts.last_state(session, context_id, one.expires_at)
        session.expunge(one)
        if not repository.claim(session, context_id) or last is None or opening is None:
            continue
        state = _state(last.state)
        if state is None or not ended_well(state) or failure_reported(session, context_id):
            continue
        row = repository.find(session, key) or repository.add(session, key, opened_at)
        row.scene_before, row.bed_before, row.last_print = row.scene, row.bed, context_id
        scene = learn(read_scene(row.scene), state, opening)
        row.scene = None if scene is None else scene.to_bytes()
        if bed_view is not None:
            row.bed = EmptyBed.learn(read_bed(row.bed), bed_view).to_bytes()
        row.printed_at = max(row.printed_at, opened_at)
        session.flush()


def read_scene(data: bytes | None) -> PrinterMemory | None:
    """A stored memory; None, a fresh start, when it is another version's."""
    try:
        return None if data is None else PrinterMemory.from_bytes(data)
    except MemoryFormatError as error:
        log.warning("printer_memory_unreadable", why=str(error))
        return None


def read_bed(data: bytes | None) -> EmptyBed | None:
    """A stored empty bed; None when it is another version's."""
    try:
        return None if data is None else EmptyBed.from_bytes(data)
    except BedFormatError as error:
        log.warning("empty_bed_unreadable", why=str(error))
        return None


def _state(data: bytes) -> PrintState | None:
    try:
        return PrintState.from_bytes(data)
    except StateFormatError:
        return None


def check_bed(session: Session, key: PrinterKey, view: bytes, now: datetime) -> BedCheck:
    """Compare a view of a bed with how this printer's bed looks when it is empty."""
    rows = repository.unlearned(session, key)
    learn_from(session, [row for row in rows if _is_over(session, row, now, IDLE_AFTER)])
    row = repository.find(session, key)
    bed = None if row is None else read_bed(row.bed)
    return UNKNOWN_BED if bed is None else bed.check(view)


def teach_bed(session: Session, key: PrinterKey, view: bytes, now: datetime) -> BedCheck:
    """Take a view as that of the empty bed, in place of what was known."""
    row = repository.find(session, key) or repository.add(session, key, now)
    row.bed = row.bed_before = EmptyBed.teach(view).to_bytes()
    row.printed_at = max(row.printed_at, now)
    return BedCheck(BedAnswer.CLEAR)


def _is_over(session: Session, row: UnlearnedPrintRow, now: datetime, after: timedelta) -> bool:
    last = contexts.last_state(session, row.context_id, row.expires_at)
    return last is None or last.inspected_at < now - after


@dataclass(frozen=True, slots=True)
class MemorySweeper:
    """Learns from prints that ended without a successor, and forgets printers that stopped printing."""

    database: Database

    def sweep(self, now: datetime) -> None:
        """Do it. Raises StorageError."""
        after: datetime | None = None
        more = True
        while more:
            after = self.database.transact(self._learn, after, now)
            more = after is not None
        while self.database.transact(repository.forget_unused, now - FORGOTTEN_AFTER, BATCH):
            pass

    def _learn(self, session: Session, after: datetime | None, now: datetime) -> datetime | None:
        """Learn from a batch of prints opened after this moment; when the last of it was opened."""
        rows = repository.unlearned_since(session, after, now - OVER_AFTER, BATCH)
        if not rows:
            return None
        latest = rows[-1].opened_at
        learn_from(session, [row for row in rows if _is_over(session, row, now, OVER_AFTER)])
        return latest
