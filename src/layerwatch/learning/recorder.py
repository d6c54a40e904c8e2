"""Taking feedback: the picture goes to the disk first, then its row and the lesson into one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from layerwatch.learning import limits
from layerwatch.learning.errors import LearningError
from layerwatch.learning.examples import ExampleStore
from layerwatch.learning.recent import RecentPicture, RecentPictures
from layerwatch.learning.service import KINDS_OF_FEEDBACK, MISSED, find_used, record, withdraw
from layerwatch.storage import DatabaseGateway, OutcomeUnknown, StorageError, StorageUnavailable
from layerwatch.temporal import UNDO

log = structlog.get_logger(__name__)

Apply = Callable[[Callable[[Session], bool]], Awaitable[bool]]
"""Runs what it is given in the transaction that teaches the print; False if the print saw nothing yet."""

Note = Callable[[Session, str], None]
"""Notes in the same transaction that feedback was given or taken back, and its kind."""


class FeedbackRecorder:
    """Keeps feedback with the picture that it is about, within `limits`.

    on_missed: what a reported failure takes back, in the same transaction (`printers.repository.unlearn`).
    """

    def __init__(
        self,
        gateway: DatabaseGateway,
        examples: ExampleStore,
        recent: RecentPictures,
        on_missed: Callable[[Session, str], None],
    ) -> None:
        self._gateway = gateway
        self._examples = examples
        self._recent = recent
        self._on_missed = on_missed

    async def record(
        self, apply: Apply, *, account_id: int, context_id: str, kind: str, at: datetime, note: Note
    ) -> bool:
        """Take one feedback; False if the print saw nothing yet. kind: one of `KINDS_OF_FEEDBACK`, or `UNDO`
        for the newest one.

        Raises LearningError for another kind, FeedbackLimitReached, and StorageUnavailable, also when the
        disk for the picture is full. When it raises, neither a row nor a file is left.
        """
        if kind == UNDO:
            return await self.take_back(apply, account_id=account_id, context_id=context_id, note=note)
        if kind not in KINDS_OF_FEEDBACK:
            raise LearningError(f"feedback {kind!r} is not known: use one of {', '.join(KINDS_OF_FEEDBACK)}")
        # Before the disk is touched; what counts is the check in the transaction.
        await self._gateway.read_async(limits.check, account_id, context_id, at)
        recent = await asyncio.to_thread(self._recent.get, context_id)
        written: str | None = None
        kept: list[str | None] = []

        def keep(session: Session) -> bool:
            row = record(
                session,
                account_id=account_id,
                context_id=context_id,
                kind=kind,
                at=at,
                recent=recent,
                picture=written,
            )
            kept.append(row.picture)
            if kind == MISSED:
                self._on_missed(session, context_id)
            note(session, kind)
            return True

        try:
            with ExitStack() as adding:
                if recent is not None:
                    written = await asyncio.to_thread(self._write, adding, recent)
                taken = await apply(keep)
        except OutcomeUnknown:
            raise  # the row may be there: the file is removed later if it is not
        except Exception:
            await asyncio.to_thread(self._remove, written)
            raise
        if not taken or kept[-1] is None:
            await asyncio.to_thread(self._remove, written)
        return taken

    async def take_back(
        self, apply: Apply, *, account_id: int, context_id: str, note: Note, feedback_id: int | None = None
    ) -> bool:
        """Take back one feedback, by default the newest; False if the print saw nothing yet."""
        left: list[str | None] = []

        def remove(session: Session) -> bool:
            gone = withdraw(session, account_id=account_id, context_id=context_id, feedback_id=feedback_id)
            left.append(gone.picture)
            if gone.kind is not None:
                note(session, gone.kind)
            return gone.kind is not None

        taken = await apply(remove)
        if left:
            await asyncio.to_thread(self._remove, left[-1])
        return taken

    def _write(self, adding: ExitStack, recent: RecentPicture) -> str:
        try:
            adding.enter_context(self._examples.adding())
            return self._examples.put(recent.jpeg)
        except OSError as error:
            log.error("example_not_written", why=error.strerror)
            raise StorageUnavailable(f"the picture cannot be written: {error.strerror}") from error

    def _remove(self, name: str | None) -> None:
        if name is None:
            return
        with suppress(StorageError, OSError):  # the next sweep removes it
            self._examples.remove([name], lambda names: find_used(self._gateway.database, names))
