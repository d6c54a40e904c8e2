"""One print seen through one camera: inspection sessions in the print's one context.

The SDK's session (`layerwatch_sdk.AsyncInspectionSession`) keeps the rules: no picture before its time, a
lost context opened again, outages waited out. Here its answers and troubles become `Look`s in plain words,
every picture has a deadline, and a session that was ended by a trouble is started again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Awaitable, Callable, Optional, Tuple

from layerwatch_sdk.async_session import AsyncInspectionSession
from layerwatch_sdk.errors import CallbackError, KeyRefused, LayerwatchError
from layerwatch_sdk.models import Context, Inspection, PrintLabels, PrintPosition
from layerwatch_watcher.cameras.base import Camera, CameraError, CameraSetupError, EndOfPictures
from layerwatch_watcher.waiting import within
from layerwatch_watcher.watching.inspector import Inspector, explain

RESTART_DELAY_S = 300.0
"""Delay before the next session after a fatal error (rejected key, wrong camera setting)."""
SNAPSHOT_DEADLINE_S = 30.0
"""Time limit for one snapshot. RTSP cameras may take 15 s to connect."""


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

    camera: what people call the camera.  number: 1 for the first.  seconds: since the session was made.
    picture: the JPEG, if the camera gave one.  Exactly one of inspection and trouble is set.
    """

    number: int
    seconds: float
    picture: Optional[bytes]
    inspection: Optional[Inspection] = None
    trouble: Optional[Trouble] = None
    camera: str = ""

    @property
    def condition(self) -> str:
        """The word ok if the picture was judged; else why not, such as frozen, dark or no-print."""
        if self.inspection is None:
            return "unseen"
        detail = self.inspection.detail
        word = (detail.condition if detail is not None else None) or self.inspection.condition or "ok"
        return {"no_print": "no-print", "overexposed": "bright"}.get(word, word)


class PrintSession:
    """Looks at one print until stopped, or until the pictures end. A new one for each print.

    on_look: awaited with every look, in order.
    server: the service's address as it may be shown in messages.
    min_interval: minimum seconds between two pictures; the service may require more.
    recorded: seconds between two pictures of a recording on a clock that passes by waiting: a picture that
        cannot be read then takes its time, and the next one follows.
    labels, position: as for `AsyncInspectionSession`: what people see of the print, and with which camera.
    context, first_after, untold: as another session of the same print left them, before a restart.
    """

    def __init__(
        self,
        camera: Camera,
        inspector: Inspector,
        on_look: Callable[[Look], Awaitable[None]],
        *,
        levels: Levels = Levels(),
        server: str = "the service",
        min_interval: float = 0.0,
        recorded: Optional[float] = None,
        labels: Optional[PrintLabels] = None,
        position: Callable[[], Optional[PrintPosition]] = lambda: None,
        context: Optional[Context] = None,
        first_after: float = 0.0,
        untold: Tuple[str, ...] = (),
    ) -> None:
        self._camera = camera
        self._inspector = inspector
        self._clock = inspector.clock
        self._on_look = on_look
        self._levels = levels
        self._server = server
        self._min_interval = min_interval
        self._recorded = recorded
        self._labels = labels
        self._camera_name = (labels.camera if labels is not None else None) or ""
        self._position = position
        self._context = context
        self._untold = untold
        self._began = self._clock.monotonic()
        self._due = self._began + first_after
        self._taken = self._began
        self._again_at = 0.0
        self._count = 0
        self._picture: Optional[bytes] = None
        self._session: Optional[AsyncInspectionSession] = None

    @property
    def on(self) -> bool:
        """Whether it looks, or is held."""
        return self._session is not None

    @property
    def context(self) -> Optional[Context]:
        """The print's context, once it has one."""
        return self._session.context if self._session is not None else self._context

    @property
    def due_in(self) -> float:
        """Seconds until the next picture may be sent."""
        if self._session is not None:
            return self._session.due_in
        return max(0.0, self._due - self._clock.monotonic())

    @property
    def untold(self) -> Tuple[str, ...]:
        """Feedback that the service has not got yet."""
        return self._session.untold if self._session is not None else self._untold

    def start(self) -> None:
        """Look, in the print's context."""
        self._session = AsyncInspectionSession(
            self._inspector,
            self._take,
            self._judged,
            self._failed,
            warning_level=self._levels.warning,
            pause_level=self._levels.pause,
            min_interval=self._min_interval,
            detail=True,
            labels=self._labels,
            position=self._position,
            context=self._context,
            first_after=max(0.0, self._due - self._clock.monotonic()),
        )
        for kind in self._untold:
            self._session.feedback(kind)
        self._session.start()

    async def start_again(self) -> None:
        """Look again some time after a trouble that ended the session: somebody may have mended it."""
        if self._session is None or self._session.state not in ("stopped", "failed"):
            return
        if self._clock.monotonic() >= self._again_at:
            await self.stop()
            self.start()

    async def stop(self) -> None:
        """Stop taking pictures until the next start."""
        session = self._session
        if session is not None:
            await session.stop()
            self._context, self._untold = session.context, session.untold
            self._due = self._clock.monotonic() + session.due_in
            self._session = None

    async def wait(self) -> None:
        """Wait until the pictures have ended, or a trouble has ended the session."""
        if self._session is not None:
            await self._session.wait()

    def hold(self) -> None:
        """Suspend taking pictures."""
        if self._session is not None:
            self._session.pause()

    def resume(self) -> None:
        """Resume taking pictures."""
        if self._session is not None:
            self._session.resume(tell=False)

    def checked(self) -> None:
        """Queue for the service that a person has checked the print and gone on with it."""
        if self._session is not None:
            self._session.feedback("resumed")
        else:
            self._untold = (*self._untold, "resumed")

    def feedback(self, kind: str) -> None:
        """Queue a person's feedback for the service."""
        if self._session is not None:
            self._session.feedback(kind)

    async def _take(self) -> Optional[bytes]:
        self._picture = None
        while True:
            self._taken = self._clock.monotonic()
            try:
                self._picture = await self._snapshot()
            except EndOfPictures:
                assert self._session is not None
                await self._session.stop()
            except CameraError as error:
                if self._recorded is None or isinstance(error, CameraSetupError):
                    raise
                await self._report(trouble=_camera_trouble(error))
                await self._clock.sleep(self._recorded)
                continue
            return self._picture

    async def _snapshot(self) -> bytes:
        if self._recorded is not None:  # on its clock, waiting is what makes the time pass
            return await self._camera.snapshot()
        try:
            return await within(self._camera.snapshot(), SNAPSHOT_DEADLINE_S, self._clock)
        except asyncio.TimeoutError:
            raise CameraError(
                f"the camera sent no complete picture within {SNAPSHOT_DEADLINE_S:g} s",
                "open its address in a browser; a stream without pictures causes this",
            ) from None

    async def _judged(self, inspection: Inspection) -> None:
        await self._report(inspection=inspection)

    async def _failed(self, error: LayerwatchError) -> None:
        cause = error.__cause__
        if isinstance(error, CallbackError) and error.callback == "image" and isinstance(cause, CameraError):
            trouble = _camera_trouble(cause)
        else:
            what, hint = explain(error, self._server)
            trouble = Trouble("service", what, hint, isinstance(error, KeyRefused))
        self._again_at = self._clock.monotonic() + RESTART_DELAY_S
        session = self._session
        await self._report(trouble=trouble)
        if trouble.final and session is not None:
            await session.stop()

    async def _report(
        self, *, inspection: Optional[Inspection] = None, trouble: Optional[Trouble] = None
    ) -> None:
        self._count += 1
        # The picture is released at once: twenty printers' pictures, kept until the next, are megabytes.
        picture, self._picture = self._picture, None
        look = Look(self._count, self._taken - self._began, picture, inspection, trouble, self._camera_name)
        await self._on_look(look)


def _camera_trouble(error: CameraError) -> Trouble:
    return Trouble("camera", str(error), error.hint, isinstance(error, CameraSetupError))
