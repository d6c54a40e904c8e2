"""JPEG bytes to RGB pixels at about the detector's size, by libjpeg-turbo with DCT scaling."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from layerwatch.vision.errors import ImageDecodeError
from layerwatch.vision.jpeg.header import damaged, read_header

PADDING_BYTES_ALLOWED = 8
"""Zero bytes before the end marker that are a camera's habit (many USB webcams pad their MJPEG frames by 1-4
bytes) rather than the remains of a damaged frame. Other bytes left over there are never accepted."""

_STRAY_BYTES = re.compile(r"(\d+) extraneous bytes before marker 0xd9")


@dataclass(frozen=True, slots=True)
class DecodedJpeg:
    """pixels: uint8 [H, W, 3] RGB at reduced size, not yet turned by `orientation` (EXIF, 1..8).
    width: of the whole picture, pixels."""

    pixels: NDArray[np.uint8]
    orientation: int
    width: int


def decode_jpeg(data: bytes | bytearray | memoryview, at_least: int) -> DecodedJpeg:
    """Decode one JPEG to RGB, reduced by 2, 4 or 8 as long as both sides stay at or above `at_least` pixels.

    The reductions are those that libjpeg-turbo computes with SIMD. Releases the GIL while decoding.
    Raises ImageDecodeError where the data are not one whole JPEG within the bounds of `jpeg_header`.
    """
    header = read_header(data)
    factor = 8
    while factor > 1 and min(header.width, header.height) < at_least * factor:
        factor //= 2
    height, width = -(-header.height // factor), -(-header.width // factor)
    try:
        pixels = _decode(header.stream, height, width)
    except Exception as error:
        raise _explain(str(error)) from None
    return DecodedJpeg(pixels, header.orientation, header.width)


def _decode(stream: bytes, height: int, width: int, strict: bool = True) -> NDArray[np.uint8]:
    """Raises ValueError with the decoder's words."""
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            stream, colorspace="RGB", min_height=height, min_width=width, strict=strict
        )
    except ValueError as error:
        # libjpeg reports the first thing it noticed: when that is padding at the very end, every block before
        # it was decoded in full.
        stray = _STRAY_BYTES.search(str(error))
        if strict and stray and _is_padding(stream, int(stray[1])):
            return _decode(stream, height, width, strict=False)
        raise
    return pixels


def _is_padding(stream: bytes, count: int) -> bool:
    return count <= PADDING_BYTES_ALLOWED and stream.endswith(bytes(count) + b"\xff\xd9")


def _explain(reason: str) -> ImageDecodeError:
    """The refusal in words for the sender. The decoder's own name its functions and markers."""
    if "premature end" in reason.lower():
        return ImageDecodeError(
            "The JPEG was cut off or damaged: its picture data end too early. Send the whole frame, and "
            "check that the upload was not interrupted."
        )
    return damaged()


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as a viewer shows it, by its EXIF orientation (1..8, 1: as it is)."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
