"""The last picture of each live print, kept in memory so that feedback has something to point at."""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from layerwatch.vision.evidence import Box, Condition, Evidence, HeatMap


@dataclass(frozen=True, slots=True)
class RecentPicture:
    """A picture and what was seen in it. `second` is the print's own time."""

    jpeg: bytes
    evidence: Evidence
    second: float

    def to_bytes(self) -> bytes:
        """One line of JSON, then the JPEG: the form in which processes of one server exchange pictures."""
        evidence = asdict(self.evidence)
        evidence["heat"]["cells"] = b64encode(self.evidence.heat.cells).decode()
        evidence["thumbnail"] = b64encode(self.evidence.thumbnail).decode()
        return json.dumps({"second": self.second, "evidence": evidence}).encode() + b"\n" + self.jpeg

    @classmethod
    def from_bytes(cls, data: bytes) -> RecentPicture:
        """The inverse of `to_bytes`. Raises ValueError, KeyError or TypeError for anything else."""
        head, separator, jpeg = data.partition(b"\n")
        if not separator:
            raise ValueError("no line break after the JSON")
        values = json.loads(head)
        evidence = values["evidence"]
        evidence |= {
            "kinds": tuple(evidence["kinds"]),
            "heat": HeatMap(**evidence["heat"] | {"cells": b64decode(evidence["heat"]["cells"])}),
            "boxes": tuple(Box(**box) for box in evidence["boxes"]),
            "condition": Condition(evidence["condition"]),
            "thumbnail": b64decode(evidence["thumbnail"]),
        }
        return cls(jpeg, Evidence(**evidence), values["second"])


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
