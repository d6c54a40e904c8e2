"""Bringing events to channels: in the background, with retries, quiet hours and digests.

Nothing here holds up the watching: a pause is done first and reported afterwards, and a channel that hangs
holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Awaitable, Callable, Deque, Optional

from layerwatch_sdk.retry import jittered
from layerwatch_watcher.notifications.event import URGENT_KINDS, Channel, DeliveryError, Event, Kind
from layerwatch_watcher.notifications.pictures import fitted
from layerwatch_watcher.waiting import within

log = logging.getLogger("layerwatch_watcher")

MAX_ATTEMPTS = 8
TRIES_WITH_PICTURE = 2
"""From then on the text goes alone: some receivers answer a picture that they cannot take with a fault."""
FIRST_RETRY_S, MAX_RETRY_S = 2.0, 300.0
"""Seconds between tries, doubled each time: eight tries last two to four minutes."""
MAX_QUEUED_EVENTS = 200
"""Events that a channel may be behind with. Older ones are dropped, which is logged."""


@dataclass(frozen=True)
class QuietHours:
    """A daily span of local time, that may go over midnight."""

    begin: time
    end: time

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """From "22:00-07:00". Raises ValueError."""
        parts = text.replace(" ", "").split("-")
        if len(parts) != 2:
            raise ValueError(f'quiet hours are written like "22:00-07:00", not {text!r}')
        begin, end = (time.fromisoformat(part) for part in parts)
        if begin == end:
            raise ValueError("quiet hours must begin and end at different times")
        return cls(begin, end)

    def covers(self, moment: datetime) -> bool:
        """True if `moment`, in local time, is within."""
        now = moment.time()
        if self.begin < self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


class Dispatcher:
    """Gives every event to every channel that wants it.

    quiet: hours in which only urgent events go out; the others come together at their end.
    digest: put events that are not urgent together for so long, and send them as one.
    now: local time.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        *,
        quiet: Optional[QuietHours] = None,
        digest: Optional[timedelta] = None,
        now: Callable[[], datetime] = datetime.now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._lines = [_Line(channel, sleep) for channel in channels]
        self._quiet = quiet
        self._digest = digest
        self._now = now
        self._sleep = sleep
        self._held: list[Event] = []
        self._held_since: Optional[datetime] = None
        self._task: Optional[asyncio.Task[None]] = None

    def start(self) -> None:
        """Begin to deliver. Needs a running event loop."""
        for line in self._lines:
            line.start()
        self._task = asyncio.get_running_loop().create_task(self._release())

    def tell(self, event: Event) -> None:
        """Have it delivered. Returns at once."""
        hold = (self._quiet is not None and self._quiet.covers(self._now())) or self._digest is not None
        if hold and event.kind not in URGENT_KINDS:
            if self._held_since is None:
                self._held_since = self._now()
            self._held.append(event)
            del self._held[:-MAX_QUEUED_EVENTS]
            return
        self._pass_on(event)

    def _pass_on(self, event: Event) -> None:
        for line in self._lines:
            if event.kind in line.channel.kinds or event.kind is Kind.TEST:
                line.put(event)

    def release_due(self) -> None:
        """Send what was held, if it is time: each channel gets its own share, as one event."""
        now = self._now()
        if self._held_since is None or (self._quiet is not None and self._quiet.covers(now)):
            return
        if self._digest is not None and now - self._held_since < self._digest:
            return
        held, self._held, self._held_since = self._held, [], None
        for line in self._lines:
            wanted = [event for event in held if event.kind in line.channel.kinds]
            if wanted:
                line.put(wanted[0] if len(wanted) == 1 else digest_of(wanted))

    async def _release(self) -> None:
        while True:
            await self._sleep(30)
            self.release_due()

    async def close(self, patience: float = 5.0) -> None:
        """Deliver what waits, for at most `patience` seconds, then end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await asyncio.gather(*(line.close(patience) for line in self._lines))


def digest_of(events: Sequence[Event]) -> Event:
    """Several events as one: a line each, with the worst one's picture."""
    pictured = [event for event in events if event.picture is not None]
    worst = max(pictured, key=lambda event: event.inspection.score if event.inspection else 0, default=None)
    printers = sorted({event.printer for event in events})
    lines = [f"{event.time.astimezone():%H:%M} {event.printer}: {event.title}" for event in events]
    return Event(
        Kind.DIGEST,
        ", ".join(printers),
        f"{len(events)} messages from {', '.join(printers)}",
        "\n".join(lines),
        picture=worst.picture if worst else None,
    )


async def deliver(channel: Channel, event: Event) -> bool:
    """Send an event once: with its picture or, if that is refused, at once without. Raises DeliveryError.

    Returns False if a picture was left out.
    """
    picture = await fitted(event.picture)
    try:
        await channel.send(replace(event, picture=picture))
        return picture is not None or event.picture is None
    except DeliveryError as error:
        if error.text_taken:
            log.warning("%s took %r, but not its picture: %s", channel.name, event.title, error)
            return False
        if not error.picture_refused:
            raise
        await channel.send(replace(event, picture=None))
        log.warning("%s took %r only without its picture: %s", channel.name, event.title, error)
        return False


class _Line:
    """One channel's queue, worked off by a task of its own."""

    def __init__(self, channel: Channel, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.channel = channel
        self._sleep = sleep
        self._events: Deque[Event] = deque()
        self._news: Optional[asyncio.Event] = None
        self._idle: Optional[asyncio.Event] = None
        self._task: Optional[asyncio.Task[None]] = None

    def start(self) -> None:
        self._news, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def put(self, event: Event) -> None:
        if len(self._events) >= MAX_QUEUED_EVENTS:
            self._events.popleft()
            log.error("%s is too slow: an older message was dropped", self.channel.name)
        self._events.append(event)
        if self._news is not None and self._idle is not None:
            self._idle.clear()
            self._news.set()

    async def _run(self) -> None:
        assert self._news is not None and self._idle is not None
        while True:
            await self._news.wait()
            self._news.clear()
            while self._events:
                await self._deliver(self._events.popleft())
            self._idle.set()

    async def _deliver(self, event: Event) -> None:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            if attempt > TRIES_WITH_PICTURE:
                event = replace(event, picture=None)
            try:
                await deliver(self.channel, event)
            except DeliveryError as error:
                if not error.again or attempt == MAX_ATTEMPTS:
                    log.error("%s: %r was not delivered: %s", self.channel.name, event.title, error)
                    return
                wait = jittered(FIRST_RETRY_S * 2 ** (attempt - 1), MAX_RETRY_S)
                await self._sleep(max(wait, min(error.after or 0.0, MAX_RETRY_S)))
            except Exception:  # one channel's mistake must not silence it for good
                log.exception("%s: %r was not delivered", self.channel.name, event.title)
                return
            else:
                return

    async def close(self, patience: float) -> None:
        if self._idle is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await within(self._idle.wait(), patience)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.channel.close()
