"""A printer of which only a camera is known: whether a print is under way is guessed from its pictures.

While something moves between pictures, a print is under way; when nothing has moved for a while, it is over.
Nothing can be paused here: a person is notified instead.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Callable, Optional

from layerwatch_watcher.cameras.base import Camera, CameraError
from layerwatch_watcher.printers.base import NotSupported, PrinterError, PrinterState, PrinterStatus

STILL_S = 900.0
"""Without a change for so long a print is over; slow layers and most pauses are shorter."""
SAMPLE_S = 30.0
"""Between two pictures while no print is believed under way. They go to nobody."""
STARTING_SAMPLES = 2
"""Changed pictures in a row that begin a print: a hand that takes the part off the bed is one."""
CHANGED_LUMA = 10
"""Of 255, by which a cell of the 32x24 thumbnail differs. On simulated prints camera noise is 2 to 3, and a
moving head changes 27 cells or more by this much."""
CHANGED_CELLS = 4
_COLUMNS, _ROWS = 32, 24


class CameraOnly:
    """Implements `Printer`; `through` gives each camera that the watcher's sessions must use.

    now: seconds on the watcher's clock. Without Pillow nothing is compared: a print is then always under way.
    With several cameras, motion that one of them sees is enough.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._cameras: list[_SeenCamera] = []
        self._now = now
        self._changed_at = now()
        self._sampled_at = now()
        self._prints = 1
        self._printing = True
        """At first: people start to watch when they have a print to watch."""

    def through(self, camera: Camera) -> Camera:
        """`camera`, with every picture of it compared here."""
        seen = _SeenCamera(camera, self._changed)
        self._cameras.append(seen)
        return seen

    def _changed(self) -> None:
        self._changed_at = self._now()

    async def status(self) -> PrinterStatus:
        """PRINTING or IDLE. Raises PrinterError when pictures were needed and none came."""
        now = self._now()
        if self._printing and now - self._changed_at > STILL_S:
            self._printing, self._sampled_at = False, now
            for camera in self._cameras:
                camera.changes = 0
        elif not self._printing and now - self._sampled_at >= SAMPLE_S:
            self._sampled_at = now
            await self._sample()
            if any(camera.changes >= STARTING_SAMPLES for camera in self._cameras):
                self._printing = True
                self._prints += 1
        if self._printing:
            return PrinterStatus(PrinterState.PRINTING, job=str(self._prints))
        still = f"nothing has moved in the picture for {STILL_S / 60:.0f} minutes"
        return PrinterStatus(PrinterState.IDLE, job=str(self._prints), message=still)

    async def _sample(self) -> None:
        """Take a picture with each camera. Raises PrinterError if none gave one."""
        failed: list[CameraError] = []
        for camera in self._cameras:
            try:
                await camera.snapshot()
            except CameraError as error:
                failed.append(error)
        if len(failed) == len(self._cameras):
            raise PrinterError(str(failed[0]), failed[0].hint) from None

    async def pause(self) -> None:
        """Not possible."""
        raise _cannot()

    async def resume(self) -> None:
        """Not possible."""
        raise _cannot()

    async def cancel(self) -> None:
        """Not possible."""
        raise _cannot()

    async def gcode(self, lines: Sequence[str]) -> None:
        """Not possible."""
        raise _cannot()

    async def heaters_off(self) -> None:
        """Not possible."""
        raise _cannot()

    async def heater_targets(self) -> Mapping[str, float]:
        """Not possible."""
        raise _cannot()

    async def check_control(self) -> None:
        """Not possible."""
        raise _cannot()

    async def light(self, on: bool) -> None:
        """Not possible."""
        raise _cannot()

    async def close(self) -> None:
        """Nothing is held; the camera is closed by its session's owner."""


class _SeenCamera:
    """A camera whose pictures are compared, each with the one before.

    changed: called where a picture differs, or does not say whether anything moved.
    changes: changed pictures in a row.
    """

    def __init__(self, camera: Camera, changed: Callable[[], None]) -> None:
        self._camera = camera
        self._changed = changed
        self._picture = b""
        self._last: Optional[bytes] = None
        self.changes = 0

    async def snapshot(self) -> bytes:
        picture = await self._camera.snapshot()
        if picture == self._picture:  # a stuck camera shows neither motion nor its absence
            self._changed()
            return picture
        self._picture = picture
        seen = _thumbnail(picture)
        if seen is None or self._last is None or _differs(seen, self._last):
            self._changed()
            self.changes += self._last is not None
        else:
            self.changes = 0
        self._last = seen
        return picture

    async def close(self) -> None:
        await self._camera.close()


def _cannot() -> NotSupported:
    return NotSupported("only a camera is known here, no printer", "add kind and url of the printer")


def _thumbnail(picture: bytes) -> Optional[bytes]:
    """Luma of 32x24 cells, its mean taken to 128; None if it cannot be made."""
    try:
        from PIL import Image
    except ImportError:
        return None
    try:
        with Image.open(io.BytesIO(picture), formats=["JPEG"]) as image:
            image.draft("L", (8 * _COLUMNS, 8 * _ROWS))
            luma = image.convert("L").resize((_COLUMNS, _ROWS), Image.Resampling.BOX).tobytes()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    shift = 128 - sum(luma) // len(luma)  # a lamp that is switched on moves all of it
    return bytes(min(255, max(0, value + shift)) for value in luma)


def _differs(one: bytes, other: bytes) -> bool:
    return sum(abs(a - b) > CHANGED_LUMA for a, b in zip(one, other)) >= CHANGED_CELLS
