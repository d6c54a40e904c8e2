"""Server-sent events for pages that follow live prints.

Events, each with one JSON object:

- `news`: `now` (Unix time of the service) and what changed on the page, see `wall_news` and `print_news`.
- `beat`: `now`; nothing changed.
- `away`: the database does not answer.
- `ended`: `why` is `signed-out` or `elsewhere` (another account or role); the stream does not come back.
- `busy`: too many streams are open; the next try may have room.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Protocol

import anyio.to_thread

from layerwatch.console.live_feed import LiveFeed, LiveFeeds, TooManyStreams
from layerwatch.console.live_prints import LivePrint
from layerwatch.core.languages import use
from layerwatch.storage import StorageUnavailable

STREAM_S = 50.0
"""A stream ends after this, and the browser opens the next: the server lets no answer take two minutes."""
BEAT_S = 5.0
"""Seconds between two events when nothing changes, and between two checks of the session."""
RETRY_MS, BUSY_RETRY_MS = 1_000, 20_000


class News(Protocol):
    """What one reader's page does not show yet."""

    def of(self, prints: tuple[LivePrint, ...]) -> dict[str, Any] | None:
        """What changed, given the account's live prints; None if nothing did. May block."""
        ...


class LiveStream:
    """One reader's stream.

    access: why the reader may no longer watch, or "" while they may; may block.
    language: of the reader.
    clock: the service's time.
    """

    def __init__(
        self,
        feeds: LiveFeeds,
        account_id: int,
        session: str,
        news: News,
        access: Callable[[], str],
        clock: Callable[[], datetime],
        language: str,
    ) -> None:
        self._feeds = feeds
        self._account_id = account_id
        self._session = session
        self._news = news
        self._access = access
        self._clock = clock
        self._language = language

    async def events(self) -> AsyncIterator[str]:
        """The events, in the form of `text/event-stream`."""
        use(self._language)
        try:
            with self._feeds.watch(self._account_id, self._session) as feed:
                yield f"retry: {RETRY_MS}\n\n"
                async for event in self._watch(feed):
                    yield event
        except TooManyStreams:
            yield f"retry: {BUSY_RETRY_MS}\n" + _event("busy", {})

    async def _watch(self, feed: LiveFeed) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        until, check_at = loop.time() + STREAM_S, 0.0
        while loop.time() < until and not self._feeds.closing:
            changed, prints, away = feed.changed, feed.prints, feed.away
            if loop.time() >= check_at:
                why = await anyio.to_thread.run_sync(self._access)
                if why:
                    yield _event("ended", {"why": why})
                    return
                check_at = loop.time() + BEAT_S
            yield _event("away", {}) if away else await self._next(prints)
            try:
                async with asyncio.timeout(BEAT_S):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _next(self, prints: tuple[LivePrint, ...] | None) -> str:
        now = {"now": self._clock().timestamp()}
        if prints is not None:
            try:
                news = await anyio.to_thread.run_sync(self._news.of, prints)
            except StorageUnavailable:
                return _event("away", {})
            if news is not None:
                return _event("news", now | news)
        return _event("beat", now)


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
