"""One print seen through one camera: an inspection session whose pictures come from a camera.

The session (`layerwatch_sdk.AsyncInspectionSession`) keeps the rules: never sooner than told, a lost context
opened again, outages waited out. Here its answers and troubles become `Look`s, told in plain words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Awaitable, Callable, Optional, cast

from layerwatch_sdk.async_client import AsyncClient
from layerwatch_sdk.async_session import AsyncInspectionSession
from layerwatch_sdk.errors import CallbackError, KeyRefused, LayerwatchError
from layerwatch_sdk.models import Context, Inspection
from layerwatch_watcher.cameras.base import Camera, CameraError, CameraSetupError, EndOfPictures
from layerwatch_watcher.watching.inspector import Inspector, explain


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
    """One picture judged, or the trouble that came instead.

    number: 1 for the first.  seconds: since the looking began.
    picture: the JPEG, if the camera gave one.  Exactly one of inspection and trouble is set.
    """

    number: int
    seconds: float
    picture: Optional[bytes]
    inspection: Optional[Inspection] = None
    trouble: Optional[Trouble] = None


class Looking:
    """Looks at one print until stopped, or until the pictures end. A new one for each print.

    on_look: awaited with every look, in order.
    server: the service's address as it may be shown in messages.
    min_interval: at least so many seconds between two pictures; the service may want more.
    recorded: seconds between two pictures of a recording on a clock that passes by waiting: a picture that
        cannot be read then takes its time, and the next one follows.
    context, first_after: as for `AsyncInspectionSession`: to go on where another looking ended.
    """

    def __init__(
        self,
        camera: Camera,
        judge: Inspector,
        on_look: Callable[[Look], Awaitable[None]],
        *,
        levels: Levels = Levels(),
        server: str = "the service",
        min_interval: float = 0.0,
        recorded: Optional[float] = None,
        context: Optional[Context] = None,
        first_after: float = 0.0,
    ) -> None:
        self._camera = camera
        self._clock = judge.clock
        self._on_look = on_look
        self._server = server
        self._recorded = recorded
        self._began = self._clock.monotonic()
        self._taken = self._began
        self._count = 0
        self._picture: Optional[bytes] = None
        self.session = AsyncInspectionSession(
            cast(AsyncClient, judge),
            self._take,
            self._judged,
            self._failed,
            warning_level=levels.warning,
            pause_level=levels.pause,
            min_interval=min_interval,
            detail=True,
            context=context,
            first_after=first_after,
        )

    async def _take(self) -> Optional[bytes]:
        self._picture = None
        while True:
            self._taken = self._clock.monotonic()
            try:
                self._picture = await self._camera.snapshot()
            except EndOfPictures:
                await self.session.stop()
            except CameraError as error:
                if self._recorded is None or isinstance(error, CameraSetupError):
                    raise
                await self._tell(trouble=_camera_trouble(error))
                await self._clock.sleep(self._recorded)
                continue
            return self._picture

    async def _judged(self, inspection: Inspection) -> None:
        await self._tell(inspection=inspection)

    async def _failed(self, error: LayerwatchError) -> None:
        cause = error.__cause__
        if isinstance(error, CallbackError) and error.callback == "image" and isinstance(cause, CameraError):
            trouble = _camera_trouble(cause)
        else:
            what, hint = explain(error, self._server)
            trouble = Trouble("service", what, hint, isinstance(error, KeyRefused))
        await self._tell(trouble=trouble)
        if trouble.final:
            await self.session.stop()

    async def _tell(
        self, *, inspection: Optional[Inspection] = None, trouble: Optional[Trouble] = None
    ) -> None:
        self._count += 1
        # The picture is let go at once: twenty printers' pictures, kept until the next, are megabytes.
        picture, self._picture = self._picture, None
        look = Look(self._count, self._taken - self._began, picture, inspection, trouble)
        await self._on_look(look)


def _camera_trouble(error: CameraError) -> Trouble:
    return Trouble("camera", str(error), error.hint, isinstance(error, CameraSetupError))
