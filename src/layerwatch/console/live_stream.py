"""The wall as server-sent events: what changed on the page that is open, card by card.

Events, each with one JSON object:

- `wall`: `now` (Unix time of the service), `cards` (id → HTML of those that changed), and if
  they changed `frame` (HTML with a `template` in each card's place), `bar` (HTML of counts and paging) and
  `failing` (how many prints fail in the whole account).
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
from layerwatch.console.wall import Wall, WallFilter, wall_of

STREAM_S = 50.0
"""A stream ends after this, and the browser opens the next: the server lets no answer take two minutes."""
BEAT_S = 5.0
"""Seconds between two events when nothing changes, and between two checks of the session."""
RETRY_MS, BUSY_RETRY_MS = 1_000, 20_000


class PartRenderer(Protocol):
    """Makes the HTML of a wall's parts, for one reader."""

    def card(self, one: LivePrint) -> str: ...

    def frame(self, wall: Wall) -> str: ...

    def bar(self, wall: Wall) -> str: ...


class WallStream:
    """One reader's stream.

    access: why the reader may no longer watch, or "" while they may; may block.
    clock: the service's time.
    """

    def __init__(
        self,
        feeds: LiveFeeds,
        account_id: int,
        session: str,
        view: WallFilter,
        renderer: PartRenderer,
        access: Callable[[], str],
        clock: Callable[[], datetime],
    ) -> None:
        self._feeds = feeds
        self._account_id = account_id
        self._session = session
        self._view = view
        self._renderer = renderer
        self._access = access
        self._clock = clock
        self._cards: dict[str, str] = {}
        self._parts: dict[str, Any] = {}

    async def events(self) -> AsyncIterator[str]:
        """The events, in the form of `text/event-stream`."""
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
        shown: tuple[LivePrint, ...] | None = None
        while loop.time() < until and not self._feeds.closing:
            changed, prints, away = feed.changed, feed.prints, feed.away
            if loop.time() >= check_at:
                why = await anyio.to_thread.run_sync(self._access)
                if why:
                    yield _event("ended", {"why": why})
                    return
                check_at = loop.time() + BEAT_S
            if away:
                yield _event("away", {})
            elif prints is not None and prints is not shown:
                shown = prints
                yield _event("wall", await anyio.to_thread.run_sync(self._news, prints))
            else:
                yield _event("beat", {"now": self._clock().timestamp()})
            try:
                async with asyncio.timeout(BEAT_S):
                    await changed.wait()
            except TimeoutError:
                continue

    def _news(self, prints: tuple[LivePrint, ...]) -> dict[str, Any]:
        """What the reader does not have yet."""
        wall, render = wall_of(prints, self._view), self._renderer
        cards = {one.id: one for one in wall.prints}
        news: dict[str, Any] = {
            "now": self._clock().timestamp(),
            "cards": {id: render.card(one) for id, one in cards.items() if self._cards.get(id) != one.key},
        }
        self._cards = {id: one.key for id, one in cards.items()}
        parts = {"frame": render.frame(wall), "bar": render.bar(wall), "failing": wall.counts.failing}
        news |= {name: part for name, part in parts.items() if self._parts.get(name) != part}
        self._parts = parts
        return news


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
