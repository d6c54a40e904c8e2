"""The loop at the heart of the watcher: take a picture, have it judged, wait as long as told.

Never sooner than the service said; a lost context is opened again; every trouble is handed on in plain
words, and only one that waiting cannot mend ends the loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Callable, Optional

from layerwatch_sdk.cameras.base import Camera, CameraError, CameraSetupError, EndOfPictures
from layerwatch_sdk.clock import AsyncClock
from layerwatch_sdk.errors import ContextLost, LayerwatchError
from layerwatch_sdk.models import Context, Inspection
from layerwatch_sdk.watcher.judge import Judge, explain, is_final

USUAL_INTERVAL = 40.0
"""Seconds to wait where nobody has said otherwise: the service's own usual interval."""
SOONEST_AFTER_TROUBLE = 5.0
"""A camera that gave no picture is asked again after this, then after twice as long, and so on."""


@dataclass(frozen=True)
class Levels:
    """How sure to be before a warning and a pause: 1 (sooner) to 5 (only when more certain)."""

    warning: int = 3
    pause: int = 3


@dataclass(frozen=True)
class Trouble:
    """Why there was no inspection. `about`: camera or service. `final`: waiting does not mend it."""

    about: str
    what: str
    hint: str
    final: bool = False


@dataclass(frozen=True)
class Look:
    """One turn of the loop.

    number: 1 for the first.  seconds: since the loop began.  next_in: seconds until the next turn.
    picture: the JPEG, if the camera gave one.  Exactly one of inspection and trouble is set.
    """

    number: int
    seconds: float
    next_in: float
    picture: Optional[bytes]
    inspection: Optional[Inspection] = None
    trouble: Optional[Trouble] = None


class Looker:
    """Looks at one print through one camera. A new one for each print.

    server: the service's address as it may be shown in messages.
    interval: at least so many seconds between two pictures; None leaves it to the service.
    spacing: exactly so many instead, for a recording whose pictures were taken that far apart.
    """

    def __init__(
        self,
        camera: Camera,
        judge: Judge,
        clock: AsyncClock,
        *,
        levels: Levels = Levels(),
        server: str = "the service",
        interval: Optional[float] = None,
        spacing: Optional[float] = None,
        detail: bool = True,
    ) -> None:
        self._camera = camera
        self._judge = judge
        self._clock = clock
        self._levels = levels
        self._server = server
        self._interval = interval
        self._spacing = spacing
        self._detail = detail
        self._context: Optional[Context] = None
        self._began = clock.monotonic()
        self._count = 0
        self._troubles_in_row = 0
        self._told = interval or USUAL_INTERVAL

    async def look(self) -> Optional[Look]:
        """One picture and its verdict; None when the pictures are at their end. Does not wait."""
        self._count += 1
        seconds = self._clock.monotonic() - self._began
        picture: Optional[bytes] = None
        try:
            picture = await self._camera.snapshot()
            inspection = await self._judged(picture)
        except EndOfPictures:
            return None
        except CameraError as error:
            final = isinstance(error, CameraSetupError)
            return self._trouble(seconds, None, Trouble("camera", str(error), error.hint, final), None)
        except LayerwatchError as error:
            what, hint = explain(error, self._server)
            trouble = Trouble("service", what, hint, is_final(error))
            return self._trouble(seconds, picture, trouble, error.retry_after or self._told)
        self._troubles_in_row = 0
        self._told = max(inspection.next_interval.seconds, self._interval or 0.0)
        return Look(self._count, seconds, self._spacing or self._told, picture, inspection)

    async def _judged(self, picture: bytes) -> Inspection:
        if self._context is None:
            self._context = await self._open()
        try:
            return await self._judge.process(self._context, picture, detail=self._detail)
        except ContextLost:
            self._context = await self._open()
            return await self._judge.process(self._context, picture, detail=self._detail)

    async def _open(self) -> Context:
        return await self._judge.create_context(self._levels.warning, self._levels.pause)

    def _trouble(
        self, seconds: float, picture: Optional[bytes], trouble: Trouble, wait: Optional[float]
    ) -> Look:
        self._troubles_in_row += 1
        if self._spacing is not None:
            wait = self._spacing
        elif wait is None:
            wait = min(SOONEST_AFTER_TROUBLE * 2 ** (self._troubles_in_row - 1), self._told)
        return Look(self._count, seconds, wait, picture, trouble=trouble)

    async def feedback(self, kind: str) -> bool:
        """Tell the service `false_alarm`, `resumed` or `missed`. False if it has no context to teach."""
        if self._context is None:
            return False
        await self._judge.feedback(self._context, kind)
        return True

    async def looks(self, ready: Optional[Callable[[], Awaitable[None]]] = None) -> AsyncIterator[Look]:
        """Look until the pictures end or a trouble is final. `ready` is awaited before each look."""
        while True:
            if ready is not None:
                await ready()
            look = await self.look()
            if look is None:
                return
            yield look
            if look.trouble is not None and look.trouble.final:
                return
            await self._clock.sleep(look.next_in)
