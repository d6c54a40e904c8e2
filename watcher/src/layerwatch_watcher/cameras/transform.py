"""What is done to a picture before it is judged: turned, flipped, cut, parts of it hidden; the light on.

Turning and flipping change no pixel: they write the EXIF orientation, which the service and every viewer
obey. Cutting and hiding need Pillow (extra `layerwatch-watcher[images]`).
"""

from __future__ import annotations

import asyncio
import io
import logging
import struct
from dataclasses import dataclass
from typing import Any, Awaitable, Callable, Optional, Tuple

from layerwatch_watcher.cameras import jpeg
from layerwatch_watcher.cameras.base import Camera, CameraError, CameraSetupError, checked

Area = Tuple[float, float, float, float]
"""Left, top, width, height, in fractions 0..1 of the picture as it is seen (after turning and cutting)."""

JPEG_QUALITY = 90
# EXIF orientation (1..8) of: flipped left to right or not, then turned clockwise by 0, 90, 180, 270.
_ORIENTATION = {False: (1, 6, 3, 8), True: (2, 7, 4, 5)}
_FLIP_AND_QUARTERS = {
    orientation: (flipped, quarters)
    for flipped, orientations in _ORIENTATION.items()
    for quarters, orientation in enumerate(orientations)
}
_EXIF = b"Exif\0\0"

log = logging.getLogger("layerwatch_watcher")


@dataclass(frozen=True)
class PictureTransform:
    """How a picture is to be seen: flipped first, then turned clockwise, then cut, then parts hidden.

    It applies to the picture as the camera's own EXIF orientation shows it, as viewers do.

    rotate: 0, 90, 180 or 270.  crop: the part to keep.  ignore: parts to hide, in fractions of what is kept.
    """

    rotate: int = 0
    flip_horizontal: bool = False
    flip_vertical: bool = False
    crop: Optional[Area] = None
    ignore: Tuple[Area, ...] = ()

    @classmethod
    def turned_then_flipped(cls, rotate: int, *, horizontal: bool, vertical: bool) -> PictureTransform:
        """The same, where the turning comes first, as in Mainsail: a single flip reverses its sense."""
        return cls((360 - rotate) % 360 if horizontal != vertical else rotate, horizontal, vertical)

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1..8, that turns and flips like this."""
        quarter = (self.rotate // 90 + (2 if self.flip_vertical else 0)) % 4
        return _ORIENTATION[self.flip_horizontal != self.flip_vertical][quarter]


class TransformedCamera:
    """A camera seen through a `PictureTransform`."""

    def __init__(self, camera: Camera, view: PictureTransform) -> None:
        if view.crop or view.ignore:
            _pillow()
        self._camera = camera
        self._view = view

    @classmethod
    def around(cls, camera: Camera, view: PictureTransform) -> Camera:
        """`camera` itself if the view changes nothing."""
        return camera if view == PictureTransform() else cls(camera, view)

    async def snapshot(self) -> bytes:
        """The camera's picture, changed. Raises CameraError."""
        picture = await self._camera.snapshot()
        if self._view.crop or self._view.ignore:
            loop = asyncio.get_running_loop()
            return checked(await loop.run_in_executor(None, redrawn, picture, self._view), "the cut picture")
        return oriented(picture, self._view.orientation)

    async def close(self) -> None:
        """Close the camera."""
        await self._camera.close()


class LitCamera:
    """A camera whose light is switched on before each picture, and off again after it.

    switch: switches the light.  settle: seconds that the camera's exposure needs.
    A light that does not obey is logged and keeps no picture from being taken.
    """

    def __init__(
        self,
        camera: Camera,
        switch: Callable[[bool], Awaitable[None]],
        *,
        settle: float = 2.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._camera = camera
        self._switch = switch
        self._settle = settle
        self._sleep = sleep

    async def snapshot(self) -> bytes:
        """A picture with the light on. Raises CameraError."""
        lit = await self._switched(True)
        if lit:
            await self._sleep(self._settle)
        try:
            return await self._camera.snapshot()
        finally:
            if lit:
                await self._switched(False)

    async def _switched(self, on: bool) -> bool:
        try:
            await self._switch(on)
        except Exception as error:  # whatever switches it, a picture in the dark is better than none
            log.warning("the light does not go %s: %s", "on" if on else "off", error)
            return False
        return True

    async def close(self) -> None:
        """Close the camera."""
        await self._camera.close()


def oriented(picture: bytes, orientation: int) -> bytes:
    """The same JPEG, turned further by this EXIF orientation than its own says. It replaces its EXIF data."""
    if orientation == 1:
        return picture
    orientation = composed(jpeg.orientation_of(picture), orientation)
    # TIFF header, one directory with one entry: tag 0x0112, type SHORT, count 1.
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    body = _EXIF + tiff
    return picture[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + _without_exif(picture)


def composed(first: int, second: int) -> int:
    """The EXIF orientation, 1..8, that does what `first` does and then what `second` does."""
    flipped, quarters = _FLIP_AND_QUARTERS[first]
    flipped_then, quarters_then = _FLIP_AND_QUARTERS[second]
    # A flip reverses the sense of the turn before it.
    turned = quarters_then + (-quarters if flipped_then else quarters)
    return _ORIENTATION[flipped != flipped_then][turned % 4]


def _without_exif(picture: bytes) -> bytes:
    """All after the SOI marker, less an EXIF segment among the leading APPn segments."""
    at = 2
    kept = b""
    while picture[at : at + 1] == b"\xff" and 0xE0 <= picture[at + 1] <= 0xEF:
        end = at + 2 + int.from_bytes(picture[at + 2 : at + 4], "big")
        if not (picture[at + 1] == 0xE1 and picture[at + 4 : at + 10] == _EXIF):
            kept += picture[at:end]
        at = end
    return kept + picture[at:]


def redrawn(picture: bytes, view: PictureTransform) -> bytes:
    """The picture turned, cut and with parts hidden, as a new JPEG. Raises CameraError."""
    pillow = _pillow()
    from PIL import ImageOps

    size = jpeg.size_of(picture)
    if size is None or size[0] * size[1] > 50_000_000:
        raise CameraError("the picture is too large to be cut", "lower the camera's resolution")
    try:
        with pillow.open(io.BytesIO(picture), formats=["JPEG"]) as opened:
            image: Any = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError):
        raise CameraError("the camera's picture does not decode") from None
    if view.flip_horizontal:
        image = image.transpose(pillow.Transpose.FLIP_LEFT_RIGHT)
    if view.flip_vertical:
        image = image.transpose(pillow.Transpose.FLIP_TOP_BOTTOM)
    if view.rotate:
        # Pillow turns counter-clockwise.
        turns = {
            90: pillow.Transpose.ROTATE_270,
            180: pillow.Transpose.ROTATE_180,
            270: pillow.Transpose.ROTATE_90,
        }
        image = image.transpose(turns[view.rotate])
    if view.crop:
        image = image.crop(_pixels(view.crop, image.size))
    for area in view.ignore:
        box = _pixels(area, image.size)
        # One even colour, that of the part itself: no edge for the detector to see something in.
        colour = image.crop(box).resize((1, 1), pillow.Resampling.BOX).getpixel((0, 0))
        image.paste(colour, box)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def _pixels(area: Area, size: Tuple[int, int]) -> Tuple[int, int, int, int]:
    left, top, width, height = area
    box = (
        int(left * size[0]),
        int(top * size[1]),
        max(int(left * size[0]) + 1, round((left + width) * size[0])),
        max(int(top * size[1]) + 1, round((top + height) * size[1])),
    )
    return box[0], box[1], min(box[2], size[0]), min(box[3], size[1])


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise CameraSetupError(
            "crop and ignore need Pillow, which is not installed", "pip install 'layerwatch-watcher[images]'"
        ) from None
    return Image
