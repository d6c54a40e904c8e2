"""The newest state of each account's live prints, shared by all streams of a process.

An account's prints are read every few seconds while anybody watches, once for all who do.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import anyio.to_thread
import structlog

from layerwatch.console.live_prints import LivePrint
from layerwatch.storage import StorageError

log = structlog.get_logger(__name__)

READ_INTERVAL_S = 2.0
MAX_STREAMS = 300
"""Of a process: each holds a connection."""
MAX_STREAMS_PER_ACCOUNT = 60
MAX_STREAMS_PER_SESSION = 4
"""A browser opens 6 connections to a server, and needs some for pictures."""

Read = Callable[[int], tuple[LivePrint, ...]]
"""Reads an account's live prints; may block."""


class TooManyStreams(Exception):
    """There is no room for another stream."""


class LiveFeed:
    """One account's live prints, as of the last read. Used from one event loop."""

    def __init__(self) -> None:
        self.prints: tuple[LivePrint, ...] | None = None
        self.away = False
        """Whether the last read failed: `prints` are older then."""
        self.changed = asyncio.Event()
        """Replaced with each read that found something else; set on the one before."""
        self.watchers = 0
        self.wanted = asyncio.Event()
        """Set when somebody waits for a read."""
        self.stale = False
        """Whether a read that is under way began too early for a watcher who came since."""
        self.task: asyncio.Task[None] | None = None

    def renew(self) -> None:
        """Let the next state be read from now on: a page never shows prints older than its own."""
        self.prints, self.stale = None, True
        self.wanted.set()

    def publish(self, prints: tuple[LivePrint, ...] | None, *, away: bool) -> None:
        """Take a read, and wake who waits for a change."""
        if prints == self.prints and away == self.away:
            return
        self.prints, self.away = prints, away
        self.changed.set()
        self.changed = asyncio.Event()


class LiveFeeds:
    """The feeds of all accounts that are watched in this process, within the limits on streams."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._feeds: dict[int, LiveFeed] = {}
        self._sessions: Counter[str] = Counter()
        self.closing = False
        """Set when the server stops: streams end then."""

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        self.closing = True
        for feed in self._feeds.values():
            feed.changed.set()

    @contextmanager
    def watch(self, account_id: int, session: str) -> Iterator[LiveFeed]:
        """The account's feed, for as long as the block runs. Raises TooManyStreams."""
        feed = self._feeds.get(account_id)
        if (
            self.closing
            or sum(self._sessions.values()) >= MAX_STREAMS
            or self._sessions[session] >= MAX_STREAMS_PER_SESSION
            or (feed is not None and feed.watchers >= MAX_STREAMS_PER_ACCOUNT)
        ):
            raise TooManyStreams
        if feed is None:
            feed = self._feeds[account_id] = LiveFeed()
            feed.task = asyncio.create_task(self._keep_reading(account_id, feed))
        feed.watchers += 1
        feed.renew()
        self._sessions[session] += 1
        try:
            yield feed
        finally:
            self._sessions[session] -= 1
            self._sessions += Counter()  # forget those at zero
            feed.watchers -= 1
            if feed.watchers == 0:
                del self._feeds[account_id]
                assert feed.task is not None
                feed.task.cancel()

    async def _keep_reading(self, account_id: int, feed: LiveFeed) -> None:
        while True:
            feed.wanted.clear()
            feed.stale = False
            try:
                prints = await anyio.to_thread.run_sync(self._read, account_id)
            except StorageError:
                feed.publish(feed.prints, away=True)
            except Exception:
                log.exception("live_prints_unreadable")
                feed.publish(feed.prints, away=True)
            else:
                if not feed.stale:
                    feed.publish(prints, away=False)
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_INTERVAL_S):
                    await feed.wanted.wait()
