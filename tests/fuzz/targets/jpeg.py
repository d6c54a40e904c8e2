"""JPEG: refused, or with a header within bounds that reads the same again and that the decoder confirms."""

from __future__ import annotations

from layerwatch.vision.errors import ImageDecodeError
from layerwatch.vision.jpeg.decoder import decode_jpeg
from layerwatch.vision.jpeg.header import MAX_PIXELS, MAX_SCANS, MAX_SIDE, read_header

DECODED_PIXELS = 2**20
"""Larger pictures are not decoded: a few bytes may claim 40 megapixels, and many inputs are to be tried."""

AT_LEAST = 32


def check(data: bytes) -> None:
    """The data are the file."""
    try:
        header = read_header(data)
    except ImageDecodeError as error:
        assert str(error)
        return
    assert 0 < header.width <= MAX_SIDE and 0 < header.height <= MAX_SIDE
    assert header.width * header.height <= MAX_PIXELS
    assert 1 <= header.scans <= MAX_SCANS and header.components in (1, 3, 4)
    assert 1 <= header.orientation <= 8
    assert len(header.stream) <= len(data) + 2
    again = read_header(header.stream)
    assert (again.width, again.height, again.stream) == (header.width, header.height, header.stream)
    if header.width * header.height > DECODED_PIXELS:
        return
    try:
        pixels = decode_jpeg(data, AT_LEAST).pixels
    except ImageDecodeError as error:
        assert str(error)
        return
    height, width, channels = pixels.shape
    assert channels == 3
    assert width in {-(-header.width // factor) for factor in (1, 2, 4, 8)}
    assert height in {-(-header.height // factor) for factor in (1, 2, 4, 8)}
