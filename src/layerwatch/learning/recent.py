"""The last picture of each live print, kept in memory so that feedback has something to point at."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from layerwatch.vision.evidence import Evidence


@dataclass(frozen=True, slots=True)
class RecentPicture:
    """A picture and what was seen in it. `second` is the print's own time."""

    jpeg: bytes
    evidence: Evidence
    second: float


class RecentPictures:
    """The newest picture per context, at most `capacity_bytes` of JPEG in all; the oldest go first.

    It lives in memory only: a picture reaches the disk when its owner gives feedback on it, not before.
    Safe to use from several threads.

    elsewhere: finds what other processes of this server hold of a context; set once, before use.
    """

    elsewhere: Callable[[str], Iterable[RecentPicture]] | None = None

    def __init__(self, capacity_bytes: int = 32 * 2**20) -> None:
        self._capacity = capacity_bytes
        self._held = 0
        self._pictures: OrderedDict[str, RecentPicture] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, context_id: str, picture: RecentPicture) -> None:
        """Remember this picture as the context's newest."""
        with self._lock:
            before = self._pictures.pop(context_id, None)
            self._held -= len(before.jpeg) if before else 0
            self._pictures[context_id] = picture
            self._held += len(picture.jpeg)
            while self._held > self._capacity and self._pictures:
                _, dropped = self._pictures.popitem(last=False)
                self._held -= len(dropped.jpeg)

    def get(self, context_id: str) -> RecentPicture | None:
        """The context's newest picture, or None when it is not held (any more, or on this node).

        May ask other processes and wait for them: not for an event loop.
        """
        held = self.own(context_id)
        found = list(self.elsewhere(context_id)) if self.elsewhere else []
        return max([*found, *([held] if held else [])], key=lambda one: one.second, default=None)

    def own(self, context_id: str) -> RecentPicture | None:
        """What this process holds itself."""
        with self._lock:
            return self._pictures.get(context_id)
