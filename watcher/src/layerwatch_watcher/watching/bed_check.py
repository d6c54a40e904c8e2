"""Is the bed clear? One picture of each camera, compared by the service with this printer's empty bed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional, Protocol, Tuple, runtime_checkable

from layerwatch_sdk.clock import AsyncClock
from layerwatch_sdk.errors import KeyRefused, LayerwatchError
from layerwatch_sdk.models import BedCheck, LeftOver
from layerwatch_watcher.cameras.base import Camera, CameraError, CameraSetupError
from layerwatch_watcher.waiting import within
from layerwatch_watcher.watching.inspector import explain
from layerwatch_watcher.watching.print_session import SNAPSHOT_DEADLINE_S

SECOND_LOOK_S = 5.0
"""Between the picture that shows something on the bed and the one that must show it again: an arm, the moving
head or a flicker of the light is elsewhere by then."""
MIN_SHARED = 0.5
"""Left-overs in two pictures are the same where they share this part of the smaller one's area."""


@runtime_checkable
class BedInspector(Protocol):
    """A service that remembers how each printer's bed looks when it is empty."""

    async def check_bed(
        self, jpeg: bytes, printer: str, *, camera: Optional[str] = None, empty: bool = False
    ) -> BedCheck:
        """Compare a picture, or remember it (`empty`). Raises LayerwatchError."""
        ...


@dataclass(frozen=True)
class BedVerdict:
    """What the cameras show together.

    clear: None where it is not known.  why: where something lies, or why it is not known.
    picture, left_overs: of the camera that shows something.
    passing: it is not known now, but a later try may succeed.
    """

    clear: Optional[bool]
    why: str = ""
    picture: Optional[bytes] = None
    left_overs: Tuple[LeftOver, ...] = ()
    passing: bool = False


class BedCamera:
    """Checks the bed of the printer called `printer` with one of its cameras."""

    def __init__(
        self, printer: str, name: str, camera: Camera, service: BedInspector, clock: AsyncClock, server: str
    ) -> None:
        self._printer = printer
        self._name = name
        self._camera = camera
        self._service = service
        self._clock = clock
        self._server = server

    async def check(self) -> BedVerdict:
        """Take a picture and compare it; a left-over counts when a second picture shows it as well."""
        try:
            picture, seen = await self._look()
            if seen.clear is not False:
                return BedVerdict(seen.clear, seen.reason or "")
            await self._clock.sleep(SECOND_LOOK_S)
            picture, again = await self._look()
        except (CameraError, LayerwatchError) as error:
            return self._unknown(error)
        if again.clear is not False:
            return BedVerdict(again.clear, again.reason or "")
        lasting = shared(seen.left_overs, again.left_overs)
        if not lasting:
            return BedVerdict(None, "what two pictures show on it is in different places: something moves")
        return BedVerdict(False, in_words(lasting), picture, lasting)

    async def teach(self) -> BedVerdict:
        """Take a picture that a person says is of the empty bed, and have the service remember it."""
        try:
            await self._look(empty=True)
        except (CameraError, LayerwatchError) as error:
            return self._unknown(error)
        return BedVerdict(True)

    async def _look(self, *, empty: bool = False) -> Tuple[bytes, BedCheck]:
        try:
            picture = await within(self._camera.snapshot(), SNAPSHOT_DEADLINE_S, self._clock)
        except asyncio.TimeoutError:
            raise CameraError(
                f"the camera sent no complete picture within {SNAPSHOT_DEADLINE_S:g} s"
            ) from None
        return picture, await self._service.check_bed(picture, self._printer, camera=self._name, empty=empty)

    def _unknown(self, error: Exception) -> BedVerdict:
        if isinstance(error, LayerwatchError):
            what, hint = explain(error, self._server)
            passing = not isinstance(error, KeyRefused)
        else:
            what, hint = str(error), getattr(error, "hint", "")
            passing = not isinstance(error, CameraSetupError)
        return BedVerdict(None, f"{what} ({hint})" if hint else what, passing=passing)


async def check_bed(cameras: Mapping[str, BedCamera]) -> BedVerdict:
    """The bed as all cameras show it: not clear where one shows something, clear where none does and one can
    say. cameras: by name."""
    verdicts = dict(zip(cameras, await asyncio.gather(*(one.check() for one in cameras.values()))))
    for name, verdict in verdicts.items():
        if verdict.clear is False:
            seen_by = f", seen by {name}" if len(cameras) > 1 else ""
            return BedVerdict(False, verdict.why + seen_by, verdict.picture, verdict.left_overs)
    if any(verdict.clear for verdict in verdicts.values()):
        return BedVerdict(True)
    several = len(cameras) > 1
    reasons = [f"{name}: {one.why}" if several else one.why for name, one in verdicts.items()]
    return BedVerdict(None, "; ".join(reasons), passing=any(one.passing for one in verdicts.values()))


def shared(one: Sequence[LeftOver], other: Sequence[LeftOver]) -> Tuple[LeftOver, ...]:
    """The left-overs of `other` that are in `one` as well."""
    return tuple(place for place in other if any(_is_same(place, before) for before in one))


def _is_same(one: LeftOver, other: LeftOver) -> bool:
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    smaller = min(one.width * one.height, other.width * other.height)
    return width > 0 and height > 0 and width * height >= MIN_SHARED * smaller


def in_words(places: Sequence[LeftOver]) -> str:
    """Where the largest of some left-overs lies in the picture, and how many more there are."""
    largest = places[0]
    across = ("left", "middle", "right")[min(2, int(3 * (largest.left + largest.width / 2)))]
    down = ("top", "middle", "bottom")[min(2, int(3 * (largest.top + largest.height / 2)))]
    where = "middle" if across == down == "middle" else f"{down} {across}"
    more = f", and {len(places) - 1} more" if len(places) > 1 else ""
    return f"something lies on it in the {where} of the picture ({largest.area:.1%} of it){more}"
