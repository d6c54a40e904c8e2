"""Clearing away contexts whose 14 days are over, and their stored answers."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime

import structlog
from sqlalchemy import CursorResult, delete, select, tuple_
from sqlalchemy.orm import Session

from layerwatch.clock import Clock
from layerwatch.contexts.models import AnswerRow, ContextRow
from layerwatch.storage import Database, StorageError

log = structlog.get_logger(__name__)

BATCH = 500
"""Rows of each table in one transaction: a few milliseconds, so that no call waits for a sweep."""

PERIOD = 600.0
"""Seconds between sweeps. An expired context is refused by its id at once; the sweep only frees space."""


def sweep(session: Session, now: datetime) -> int:
    """Delete at most `BATCH` expired rows of each table; returns how many went."""
    answers = (
        select(AnswerRow.context_id, AnswerRow.key).where(AnswerRow.expires_at <= now).limit(BATCH).subquery()
    )
    contexts = select(ContextRow.id).where(ContextRow.expires_at <= now).limit(BATCH).subquery()
    gone = 0
    for statement in (
        delete(AnswerRow).where(
            tuple_(AnswerRow.context_id, AnswerRow.key).in_(select(answers.c.context_id, answers.c.key))
        ),
        delete(ContextRow).where(ContextRow.id.in_(select(contexts.c.id))),
    ):
        result = session.execute(statement)
        assert isinstance(result, CursorResult)
        gone += result.rowcount
    return gone


async def sweep_forever(database: Database, clock: Clock, period: float = PERIOD) -> None:
    """Sweep every `period` real seconds, give or take a quarter so that nodes do not march in step."""
    while True:
        try:
            more = True
            while more:
                more = await database.run(lambda session: sweep(session, clock.now())) >= BATCH
        except StorageError as error:
            log.warning("sweep_failed", why=str(error))
        await asyncio.sleep(period * random.uniform(0.75, 1.25))
