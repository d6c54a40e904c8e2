"""Taking feedback: its pictures go to the object store first, then rows and lesson into one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from layerwatch.identity.repository import shares_pictures
from layerwatch.learning import limits, near
from layerwatch.learning.errors import LearningError
from layerwatch.learning.examples import ExampleName, ExampleStore
from layerwatch.learning.recent import RecentPicture, RecentPictures
from layerwatch.learning.service import Recorded, StoredPicture, record, take_back
from layerwatch.learning.verdicts import FAILED, VERDICTS, FeedbackDetails
from layerwatch.storage import DatabaseGateway, OutcomeUnknown, StorageError
from layerwatch.temporal import UNDO
from layerwatch.vision.errors import ImageDecodeError

log = structlog.get_logger(__name__)

Apply = Callable[[Callable[[Session], bool]], Awaitable[bool]]
"""Runs what it is given in the transaction that teaches the print; False if the print saw nothing yet."""

Note = Callable[[Session, str], None]
"""Notes in the same transaction that feedback was given or taken back, and its kind."""


@dataclass(frozen=True, slots=True)
class FeedbackTaken:
    """seen: False if the print had no picture yet, and nothing was recorded.  pictures: kept for training."""

    seen: bool
    pictures: int = 0


class FeedbackRecorder:
    """Keeps feedback, and with consent the pictures around it, within `limits`.

    on_failed: what a reported failure takes back, in the same transaction (`printers.repository.unlearn`).
    printer_of: the printer's name of a context, if the client gave one.
    """

    def __init__(
        self,
        gateway: DatabaseGateway,
        examples: ExampleStore,
        recent: RecentPictures,
        on_failed: Callable[[Session, str], None],
        printer_of: Callable[[Session, str], str | None],
    ) -> None:
        self._gateway = gateway
        self._examples = examples
        self._recent = recent
        self._on_failed = on_failed
        self._printer_of = printer_of

    async def record(
        self,
        apply: Apply,
        *,
        account_id: int,
        context_id: str,
        kind: str,
        at: datetime,
        note: Note,
        details: FeedbackDetails | None = None,
    ) -> FeedbackTaken:
        """Take one feedback. kind: one of `verdicts.VERDICTS`, or `UNDO` for the newest one.

        Raises LearningError for another kind, FeedbackLimitReached, and StorageUnavailable, also when the
        object store does not take the pictures. When it raises, neither a row nor an object is left.
        """
        if kind == UNDO:
            seen = await self.take_back(apply, account_id=account_id, context_id=context_id, note=note)
            return FeedbackTaken(seen)
        if kind not in VERDICTS:
            raise LearningError(f"feedback {kind!r} is not known: use one of {', '.join(VERDICTS)}")
        details = details or FeedbackDetails()
        # Before anything is written; what counts are the checks in the transaction.
        shares = await self._gateway.read_async(self._check, account_id, context_id, at)
        around = await asyncio.to_thread(self._recent.around, context_id)
        stored: list[StoredPicture] = []
        done: list[Recorded] = []

        def keep(session: Session) -> bool:
            done.append(
                record(
                    session,
                    account_id=account_id,
                    context_id=context_id,
                    kind=kind,
                    at=at,
                    newest=around[0] if around else None,
                    pictures=stored,
                    details=details,
                    printer=self._printer_of(session, context_id),
                )
            )
            if kind in FAILED:
                self._on_failed(session, context_id)
            note(session, kind)
            return True

        try:
            if shares and details.share_images:
                await asyncio.to_thread(self._store, account_id, around, stored)
            seen = await apply(keep)
        except OutcomeUnknown:
            raise  # the rows may be there: the objects are deleted later if they are not
        except Exception:
            await self._delete({one.name for one in stored})
            raise
        kept = done[-1].kept if seen and done else frozenset()
        await self._delete({one.name for one in stored} - kept)
        return FeedbackTaken(seen, len(kept))

    async def take_back(
        self, apply: Apply, *, account_id: int, context_id: str, note: Note, feedback_id: int | None = None
    ) -> bool:
        """Take back one feedback, by default the newest; False if the print saw nothing yet."""
        left = set[ExampleName]()

        def remove(session: Session) -> bool:
            gone = take_back(session, account_id=account_id, context_id=context_id, feedback_id=feedback_id)
            left.clear()
            left.update(gone.pictures)
            if gone.kind is not None:
                note(session, gone.kind)
            return gone.kind is not None

        seen = await apply(remove)
        await self._delete(left)
        return seen

    @staticmethod
    def _check(session: Session, account_id: int, context_id: str, at: datetime) -> bool:
        """Whether pictures may be kept. Raises FeedbackLimitReached."""
        limits.check(session, account_id, context_id, at)
        return shares_pictures(session, account_id)

    def _store(self, account_id: int, pictures: list[RecentPicture], stored: list[StoredPicture]) -> None:
        """Write the pictures; those that are written are in `stored`, also when it raises."""
        folder = self._examples.new_folder()
        for one in pictures:
            with suppress(ImageDecodeError):  # judged before, so this is damage that the detector got past
                dhash = near.dhash(one.jpeg)
                name = self._examples.put(account_id, folder, one.jpeg)
                stored.append(StoredPicture(name, dhash, one))

    async def _delete(self, names: Collection[ExampleName]) -> None:
        if names:
            with suppress(StorageError):  # the next sweep deletes them
                await asyncio.to_thread(self._examples.delete, names)
