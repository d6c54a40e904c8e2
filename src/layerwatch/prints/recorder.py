"""Writes down what calls saw of prints, off their path: one thread, a transaction every `PERIOD_S`.

A call only appends to a queue that is bounded. A full queue loses what comes next, and counts it: people then
miss some of a print's course, and no call waits.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import structlog
from sqlalchemy.orm import Session

from layerwatch.identity.repository import accounts_keeping_pictures
from layerwatch.learning.recent import RecentPicture
from layerwatch.prints import picture_repository, repository
from layerwatch.prints.kept_pictures import object_name, small_copy
from layerwatch.prints.moments import Moment
from layerwatch.prints.repository import SeenPrint
from layerwatch.storage import Database, ObjectStore, OutcomeUnknown, StorageError
from layerwatch.vision.batching import step_back
from layerwatch.vision.errors import VisionError

log = structlog.get_logger(__name__)

PERIOD_S = 2.0
MAX_WAITING = 20_000
"""Moments in the queue: ten minutes of 30 calls a second, for a database that is away."""
BATCH = 500
"""Moments in one transaction."""
MAX_PICTURES = 64
MAX_PICTURE_BYTES = 32 * 2**20
"""Pictures that wait for being copied. 64 are copied in about half a second of one core."""
ACCOUNTS_PERIOD_S = 10.0
"""How often the accounts that keep pictures are read."""

Count = Callable[[str, int], None]
"""Counts pictures by outcome: kept, dropped or failed; and lost moments as `moments`."""


@dataclass(frozen=True, slots=True)
class RecordedPicture:
    """One answered picture. at: the service's time.  progress: `PrintProgress` as JSON."""

    context_id: str
    account_id: int
    opened_at: datetime
    at: datetime
    moment: Moment
    progress: str | None


class PrintRecorder:
    """keep: how long a print stays after its last picture."""

    def __init__(self, database: Database, objects: ObjectStore, keep: timedelta, count: Count) -> None:
        self._database = database
        self._objects = objects
        self._keep = keep
        self._count = count
        self._seen: deque[RecordedPicture] = deque()
        self._pictures: deque[tuple[RecordedPicture, RecentPicture]] = deque()
        self._picture_bytes = 0
        self._keepers: frozenset[int] = frozenset()
        self._keepers_read = -ACCOUNTS_PERIOD_S
        self._stuck = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="layerwatch-prints", initializer=step_back)

    @property
    def waiting(self) -> int:
        """Moments in the queue."""
        return len(self._seen)

    def refresh(self) -> None:
        """Read the accounts that keep pictures with the next write: one of them has changed its mind."""
        self._keepers_read = -ACCOUNTS_PERIOD_S

    def saw(self, seen: RecordedPicture, picture: RecentPicture) -> None:
        """Queue a picture that was answered. Never waits, never fails."""
        if len(self._seen) >= MAX_WAITING:
            self._count("moments", 1)
        else:
            self._seen.append(seen)
        if seen.account_id not in self._keepers:
            return
        size = len(picture.jpeg)
        if len(self._pictures) >= MAX_PICTURES or self._picture_bytes + size > MAX_PICTURE_BYTES:
            self._count("dropped", 1)
            return
        self._picture_bytes += size
        self._pictures.append((seen, picture))

    async def run_forever(self) -> None:
        """Write every `PERIOD_S`."""
        while True:
            await self.flush()
            await asyncio.sleep(PERIOD_S)

    async def flush(self) -> None:
        """Write what is queued."""
        await asyncio.wrap_future(self.start_flush())

    def start_flush(self) -> Future[None]:
        """Begin to write what is queued, in the thread that does; its end."""
        return self._thread.submit(self._flush)

    async def close(self) -> None:
        """Write what is queued, and end."""
        await self.flush()
        self._thread.shutdown()

    def _flush(self) -> None:
        try:
            self._read_keepers()
            pictures = self._take_pictures()
            while self._seen or pictures:
                batch = [self._seen.popleft() for _ in range(min(BATCH, len(self._seen)))]
                self._write(batch, pictures)
                pictures = []
        except StorageError as error:
            if not self._stuck:
                log.warning("prints_wait", why=str(error))
            self._stuck = True
        except Exception:
            log.exception("prints_not_written")
        else:
            self._stuck = False

    def _read_keepers(self) -> None:
        if time.monotonic() - self._keepers_read < ACCOUNTS_PERIOD_S:
            return
        try:
            with self._database.read() as session:
                self._keepers = accounts_keeping_pictures(session)
        except StorageError:
            return
        self._keepers_read = time.monotonic()

    def _take_pictures(self) -> list[tuple[RecordedPicture, bytes]]:
        """The copies of the pictures that wait."""
        copies: list[tuple[RecordedPicture, bytes]] = []
        for _ in range(len(self._pictures)):
            seen, picture = self._pictures.popleft()
            self._picture_bytes -= len(picture.jpeg)
            try:
                copies.append((seen, small_copy(picture)))
            except VisionError:
                self._count("failed", 1)
        return copies

    def _write(
        self, batch: Sequence[RecordedPicture], pictures: Sequence[tuple[RecordedPicture, bytes]]
    ) -> None:
        def write(session: Session) -> None:
            for seen_print, hours in _by_print(batch, self._keep):
                repository.add_seen(session, seen_print)
                for hour, moments in hours:
                    repository.add_moments(session, seen_print.context_id, hour, moments)
            for seen, copy in sorted(pictures, key=lambda one: one[0].context_id):
                picture_repository.add_picture(
                    session, seen.context_id, seen.moment.second, seen.account_id, seen.at, len(copy)
                )

        try:
            self._database.transact(write)
        except OutcomeUnknown:  # to write it again might count it twice
            self._count("moments", len(batch))
        except StorageError:
            self._seen.extendleft(reversed(batch))
            self._count("failed", len(pictures))
            raise
        for seen, copy in pictures:
            self._put(object_name(seen.account_id, seen.context_id, seen.moment.second), copy)

    def _put(self, name: str, copy: bytes) -> None:
        try:
            self._objects.put(name, copy)
        except StorageError as error:
            log.warning("picture_not_kept", why=str(error))
            self._count("failed", 1)
        else:
            self._count("kept", 1)


def _by_print(
    batch: Iterable[RecordedPicture], keep: timedelta
) -> Iterable[tuple[SeenPrint, list[tuple[int, list[Moment]]]]]:
    """What each print's moments add, in the order of their ids: two nodes then never wait for each other."""
    ordered = sorted(batch, key=lambda one: (one.context_id, one.moment.second))
    for context_id, group in groupby(ordered, key=lambda one: one.context_id):
        seen = list(group)
        last, worst = seen[-1], min(seen, key=lambda one: one.moment.quality)
        yield (
            SeenPrint(
                context_id=context_id,
                account_id=last.account_id,
                opened_at=last.opened_at,
                expires_at=last.at + keep,
                seen_at=last.at,
                pictures=len(seen),
                quality=last.moment.quality,
                worst=worst.moment.quality,
                kind=worst.moment.kind,
                warned_at=next((one.at for one in seen if one.moment.warning), None),
                paused_at=next((one.at for one in seen if one.moment.pause), None),
                progress=last.progress,
            ),
            [
                (hour, [one.moment for one in of_hour])
                for hour, of_hour in groupby(seen, key=lambda one: one.moment.hour)
            ],
        )
