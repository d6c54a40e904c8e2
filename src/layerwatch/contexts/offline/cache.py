"""What a node remembers of the prints that it watches, to go on without the database."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from layerwatch.contexts.answer import Answer
from layerwatch.contexts.repository import Found, Moved
from layerwatch.temporal import Levels, PrintState, StateFormatError

MAX_CONTEXTS = 20_000
"""Prints remembered; the least recently used is evicted first. A node of two cores has a few thousand; a
state has at most 4 KB, twice that after feedback, and 1.5 KB as a rule."""

FORGET_AFTER = timedelta(hours=2)
"""A print idle for this long has ended, or may start anew in an outage: intervals are minutes at most."""


class OfflineCache:
    """The last state of each print, and the answers that are being written to the disk."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, Found] = OrderedDict()
        self._promised: dict[tuple[str, str], asyncio.Future[Answer]] = {}

    def remember(self, context_id: str, moved: Moved, levels: Levels | None = None) -> Found | None:
        """Take a print's new state; returns the one before. levels: those that a person has set."""
        before = self._last.pop(context_id, None)
        self._last[context_id] = Found(0, moved.state, moved.inspected_at, moved.interval_ms, levels)
        while (
            len(self._last) > MAX_CONTEXTS or self._oldest().inspected_at < moved.inspected_at - FORGET_AFTER
        ):
            self._last.popitem(last=False)
        return before

    def _oldest(self) -> Found:
        return next(iter(self._last.values()))

    def put_back(self, context_id: str, before: Found | None) -> None:
        """Undo `remember`."""
        if before is None:
            self._last.pop(context_id, None)
        else:
            self._last[context_id] = before

    def last(self, context_id: str) -> Found | None:
        """A print's last state, if it is remembered. Its revision means nothing."""
        return self._last.get(context_id)

    def apply_feedback(self, context_id: str, lesson: Callable[[PrintState], PrintState]) -> None:
        """Apply to the remembered state what was taught to the stored one."""
        found = self._last.get(context_id)
        if found is None:
            return
        try:
            taught = lesson(PrintState.from_bytes(found.state)).to_bytes()
        except StateFormatError:
            return
        self._last[context_id] = found._replace(state=taught)

    def promised(self, context_id: str, key: str) -> asyncio.Future[Answer] | None:
        """The answer to an Idempotency-Key that is on its way to the disk."""
        return self._promised.get((context_id, key))

    def promise(self, context_id: str, key: str) -> asyncio.Future[Answer]:
        """A place for the answer to an Idempotency-Key, until it is kept or withdrawn."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._promised[context_id, key] = future
        return future

    def kept(self, context_id: str, key: str, answer: Answer) -> None:
        """The promised answer is on the disk."""
        self._promised.pop((context_id, key)).set_result(answer)

    def withdraw(self, context_id: str, key: str, error: Exception) -> None:
        """The promised answer was not kept; calls that wait for it get the error."""
        future = self._promised.pop((context_id, key))
        future.set_exception(error)
        future.exception()  # retrieved here, because often no call waits for it
