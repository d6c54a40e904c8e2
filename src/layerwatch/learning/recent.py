"""The last pictures of each live print, kept in memory so that feedback has something to point at."""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import numpy as np

from layerwatch.vision.evidence import Box, Condition, Evidence, HeatMap

EARLIER = 2
"""Pictures held of a print before the newest, besides the one that alarmed."""

MIN_DIFFERENCE = 1.0
"""Mean difference of two thumbnails, in grey levels of 0..255, below which they show the same."""


@dataclass(frozen=True, slots=True)
class RecentPicture:
    """A picture and what was seen in it. second: the print's own time.  alarmed: its answer warned."""

    jpeg: bytes
    evidence: Evidence
    second: float
    alarmed: bool = False

    def to_bytes(self) -> bytes:
        """One line of JSON, then the JPEG: the form in which processes of one server exchange pictures."""
        evidence = asdict(self.evidence)
        evidence["heat"]["cells"] = b64encode(self.evidence.heat.cells).decode()
        evidence["thumbnail"] = b64encode(self.evidence.thumbnail).decode()
        head = {"second": self.second, "alarmed": self.alarmed, "evidence": evidence}
        return json.dumps(head).encode() + b"\n" + self.jpeg

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
        return cls(jpeg, Evidence(**evidence), values["second"], values.get("alarmed", False))


class RecentPictures:
    """The newest picture of each context, and up to three others from which feedback can be learned: the two
    before it that show something else, and the one that alarmed most.

    At most `capacity_bytes` of newest JPEGs, and as much of the others; those of the context that was seen
    longest ago go first. They are in memory only: a picture reaches a disk when its owner gives feedback, not
    before. Safe to use from several threads.

    elsewhere: finds what other processes of this server hold of a context; set once, before use.
    """

    elsewhere: Callable[[str], Iterable[RecentPicture]] | None = None

    def __init__(self, capacity_bytes: int = 32 * 2**20) -> None:
        self._newest = _Held(capacity_bytes)
        self._others = _Held(capacity_bytes)
        self._lock = threading.Lock()

    def put(self, context_id: str, picture: RecentPicture) -> None:
        """Remember this picture as the context's newest."""
        with self._lock:
            before = self._newest.pop(context_id)
            self._newest.put(context_id, (picture,))
            others = self._others.pop(context_id)
            if before and (before[0].alarmed or _differ(before[0], picture)):
                others = _worth_keeping((before[0], *others))
            self._others.put(context_id, others)

    def get(self, context_id: str) -> RecentPicture | None:
        """The context's newest picture, or None when it is not held (any more, or on this node).

        May ask other processes and wait for them: not for an event loop.
        """
        return next(iter(self.around(context_id)), None)

    def around(self, context_id: str) -> list[RecentPicture]:
        """The newest picture first, then the others that are held of the context, newest first.

        May ask other processes and wait for them: not for an event loop.
        """
        found = list(self.elsewhere(context_id)) if self.elsewhere else []
        newest_first = sorted([*self.held(context_id), *found], key=_second, reverse=True)
        return [*newest_first[:1], *_worth_keeping(newest_first[1:])]

    def own(self, context_id: str) -> RecentPicture | None:
        """The newest that this process holds itself."""
        with self._lock:
            return next(iter(self._newest.get(context_id)), None)

    def held(self, context_id: str) -> list[RecentPicture]:
        """All that this process holds itself."""
        with self._lock:
            return [*self._newest.get(context_id), *self._others.get(context_id)]


class _Held:
    """Pictures by context, bounded in bytes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._bytes = 0
        self._pictures: OrderedDict[str, tuple[RecentPicture, ...]] = OrderedDict()

    def get(self, context_id: str) -> tuple[RecentPicture, ...]:
        return self._pictures.get(context_id, ())

    def pop(self, context_id: str) -> tuple[RecentPicture, ...]:
        pictures = self._pictures.pop(context_id, ())
        self._bytes -= sum(len(one.jpeg) for one in pictures)
        return pictures

    def put(self, context_id: str, pictures: tuple[RecentPicture, ...]) -> None:
        """Keep pictures of a context that has none here."""
        if pictures:
            self._pictures[context_id] = pictures
            self._bytes += sum(len(one.jpeg) for one in pictures)
        while self._bytes > self._capacity:
            self.pop(next(iter(self._pictures)))


def _worth_keeping(others: Iterable[RecentPicture]) -> tuple[RecentPicture, ...]:
    """Of pictures before the newest one: the last `EARLIER`, and the one that alarmed most; newest first."""
    newest_first = sorted(others, key=_second, reverse=True)
    alarmed = max(
        (one for one in newest_first if one.alarmed),
        key=lambda one: one.evidence.failure_probability,
        default=None,
    )
    earlier = [one for one in newest_first if one is not alarmed][:EARLIER]
    return tuple(one for one in newest_first if one is alarmed or any(one is kept for kept in earlier))


def _differ(one: RecentPicture, other: RecentPicture) -> bool:
    """Whether two pictures show something else, by their thumbnails."""
    first, second = one.evidence.thumbnail, other.evidence.thumbnail
    if len(first) != len(second) or not first:
        return True
    change = np.frombuffer(first, np.uint8).astype(np.int16) - np.frombuffer(second, np.uint8)
    return float(np.abs(change).mean()) >= MIN_DIFFERENCE


def _second(picture: RecentPicture) -> float:
    return picture.second
