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
    """Implements `Printer`; `through` gives the camera that the watcher's session must use.

    now: seconds on the watcher's clock. Without Pillow nothing is compared: a print is then always under way.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._camera: Optional[Camera] = None
        self._now = now
        self._picture = b""
        self._last: Optional[bytes] = None
        self._changed_at = now()
        self._sampled_at = now()
        self._changes = 0
        self._prints = 1
        self._printing = True
        """At first: people start to watch when they have a print to watch."""

    def through(self, camera: Camera) -> Camera:
        """`camera`, with every picture of it compared here."""
        self._camera = _SeenCamera(camera, self._see)
        return self._camera

    async def status(self) -> PrinterStatus:
        """PRINTING or IDLE. Raises PrinterError when a picture was needed and none came."""
        now = self._now()
        if self._printing and now - self._changed_at > STILL_S:
            self._printing, self._changes, self._sampled_at = False, 0, now
        elif not self._printing and now - self._sampled_at >= SAMPLE_S:
            self._sampled_at = now
            assert self._camera is not None
            try:
                await self._camera.snapshot()
            except CameraError as error:
                raise PrinterError(str(error), error.hint) from None
            if self._changes >= STARTING_SAMPLES:
                self._printing = True
                self._prints += 1
        if self._printing:
            return PrinterStatus(PrinterState.PRINTING, job=str(self._prints))
        still = f"nothing has moved in the picture for {STILL_S / 60:.0f} minutes"
        return PrinterStatus(PrinterState.IDLE, job=str(self._prints), message=still)

    def _see(self, picture: bytes) -> None:
        if picture == self._picture:  # a stuck camera shows neither motion nor its absence
            self._changed_at = self._now()
            return
        self._picture = picture
        seen = _thumbnail(picture)
        if seen is None or self._last is None or _differs(seen, self._last):
            self._changed_at = self._now()
            self._changes += self._last is not None
        else:
            self._changes = 0
        self._last = seen

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
    def __init__(self, camera: Camera, see: Callable[[bytes], None]) -> None:
        self._camera = camera
        self._see = see

    async def snapshot(self) -> bytes:
        picture = await self._camera.snapshot()
        self._see(picture)
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
