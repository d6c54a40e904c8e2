"""Recording the calls of each key, for its owner: newest calls one by one, and counts by the hour.

Nothing is written on the path of a call: calls are gathered in memory and written in batches. They are for
people to read: while the database is away they are dropped, and usage does not depend on them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session

from layerwatch.keys import request_repository
from layerwatch.keys.request_repository import BUCKETS, LATENCY_BOUNDS_MS
from layerwatch.storage import DatabaseGateway, StorageError, StorageUnavailable

log = structlog.get_logger(__name__)

PERIOD_S = 5.0
"""Seconds between two batches."""

KEPT = timedelta(days=7)

MAX_PER_KEY = 5000
"""Calls kept for a key; the oldest go first."""

PER_KEY_AND_BATCH = {True: 40, False: 20}
"""Refused (True) and successful calls of a key that one batch of one process keeps; all are counted."""

MAX_BUFFERED = 4000
"""Calls in memory."""

MAX_COUNTED = 20_000
"""Counters in memory: one for each key, hour and outcome."""

SUCCESS = "ok"
"""The outcome of calls without an error."""

TRIMMED_AFTER = 250
"""New rows of a key after which its oldest are looked for."""

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One answered call. call: `process`, `createcontext`, ….  error: the ErrorType; None on success."""

    key_id: int
    at: datetime
    call: str
    status: int
    error: str | None
    request_id: str
    ms: float
    condition: str | None


class RequestRecorder:
    """Gathers calls, and writes them every `PERIOD_S`. Used from one event loop."""

    def __init__(self) -> None:
        self._calls: list[RecordedCall] = []
        self._kept: Counter[tuple[int, bool]] = Counter()
        self._counted: Counter[tuple[int, int, str, int]] = Counter()
        self._new_rows: Counter[int] = Counter()

    def record(self, call: RecordedCall) -> None:
        """Note a call that was answered."""
        counter = (call.key_id, _hour(call.at), call.error or SUCCESS, _bucket(call.ms))
        if counter in self._counted or len(self._counted) < MAX_COUNTED:
            self._counted[counter] += 1
        kind = (call.key_id, call.error is not None)
        if self._kept[kind] < PER_KEY_AND_BATCH[kind[1]] and len(self._calls) < MAX_BUFFERED:
            self._kept[kind] += 1
            self._calls.append(call)

    async def write(self, gateway: DatabaseGateway) -> None:
        """Write what was gathered. Raises StorageUnavailable, and then it is lost."""
        if not self._counted:
            return
        calls, counted = self._calls, self._counted
        self._calls, self._counted = [], Counter()
        self._kept.clear()
        self._new_rows.update(call.key_id for call in calls)
        trimmed = [key_id for key_id, rows in self._new_rows.items() if rows >= TRIMMED_AFTER]
        for key_id in trimmed:
            del self._new_rows[key_id]
        await gateway.write_async(_write, calls, counted, trimmed)

    async def write_forever(self, gateway: DatabaseGateway) -> None:
        """Write every `PERIOD_S`."""
        while True:
            await asyncio.sleep(PERIOD_S)
            try:
                await self.write(gateway)
            except StorageUnavailable:
                continue
            except StorageError as error:
                log.warning("request_log_not_written", why=str(error))


def delete_old(session: Session, now: datetime) -> int:
    """Delete at most a batch of what is older than `KEPT`; how many calls went."""
    before = now - KEPT
    request_repository.delete_counts(session, _hour(before))
    return request_repository.delete_calls(session, before, _BATCH)


def _write(
    session: Session,
    calls: Iterable[RecordedCall],
    counted: Counter[tuple[int, int, str, int]],
    trimmed: Iterable[int],
) -> None:
    rows = [
        {
            "key_id": call.key_id,
            "at": call.at,
            "call": call.call,
            "status": call.status,
            "error": call.error,
            "request_id": call.request_id,
            "ms": round(call.ms),
            "condition": call.condition,
        }
        for call in calls
    ]
    if rows:
        request_repository.add_calls(session, rows)
    for key_id in trimmed:
        request_repository.trim(session, key_id, MAX_PER_KEY)
    hours: dict[tuple[int, int, str], dict[str, Any]] = {}
    for (key_id, hour, outcome, bucket), number in counted.items():
        row = hours.setdefault(
            (key_id, hour, outcome),
            {"key_id": key_id, "hour": hour, "outcome": outcome, **dict.fromkeys(BUCKETS, 0)},
        )
        row[BUCKETS[bucket]] += number
    if hours:  # in order, so that processes that write at once do not deadlock
        request_repository.add_counts(session, [hours[key] for key in sorted(hours)])


def _hour(at: datetime) -> int:
    return int(at.timestamp()) // 3600


def _bucket(ms: float) -> int:
    for place, bound in enumerate(LATENCY_BOUNDS_MS):
        if ms <= bound:
            return place
    return len(LATENCY_BOUNDS_MS)
