"""Just enough of the JPEG format to cut frames out of a stream and to know what is not one.

Nothing is decoded here: segments are walked by their lengths (ITU-T T.81, annex B), so that the end
marker of a thumbnail inside EXIF data is not mistaken for the end of the picture.
"""

from __future__ import annotations

import re
from typing import Literal, Optional, Union

SOI = b"\xff\xd8"
_EOI = 0xD9
_SOS = 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
# Inside entropy-coded data FF is followed by 00 (stuffing), D0-D7 (restart) or FF (fill) only.
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,80}?)\s*</title", re.IGNORECASE)

NEED_MORE = -1
BROKEN = -2


def starts_as_jpeg(data: bytes) -> bool:
    """Whether `data` begins with a JPEG's start marker."""
    return data[:3] == b"\xff\xd8\xff"


def end_of(data: Union[bytes, bytearray], start: int = 0) -> int:
    """The offset just after the JPEG that begins at `start`; NEED_MORE if it goes on past the data.

    BROKEN if what is there cannot be a JPEG, also where a new picture begins inside this one, as
    happens when a frame was cut off on its way.
    """
    at = start + 2
    size = len(data)
    while True:
        if at + 2 > size:
            return NEED_MORE
        if data[at] != 0xFF:
            return BROKEN
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == _EOI:
            return at + 2
        if marker in _STANDALONE:
            at += 2
            continue
        if marker in (0x00, 0xD8):
            return BROKEN
        if at + 4 > size:
            return NEED_MORE
        length = (data[at + 2] << 8) | data[at + 3]
        if length < 2:
            return BROKEN
        at += 2 + length
        if marker == _SOS:
            found = _MARKER_IN_SCAN.search(data, at)
            if found is None:
                return NEED_MORE
            at = found.start()


def is_whole(data: bytes) -> bool:
    """Whether `data` holds a complete JPEG, from first to last marker. Trailing bytes are ignored."""
    return starts_as_jpeg(data) and end_of(data) > 0


def orientation_of(data: bytes) -> int:
    """The EXIF orientation, 1..8; 1 if there is none. Walks the segments before the first scan."""
    at = 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SOS or length < 2:
            break
        body = data[at + 4 : at + 2 + length]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            return _tiff_orientation(body[6:])
        at += 2 + length
    return 1


def _tiff_orientation(tiff: bytes) -> int:
    """Tag 0x0112 of the first directory (TIFF 6.0, section 2)."""
    order: Literal["big", "little"] = "little" if tiff[:2] == b"II" else "big"
    first = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[first : first + 2], order)
    for number in range(min(count, 512)):
        entry = tiff[first + 2 + 12 * number : first + 14 + 12 * number]
        if int.from_bytes(entry[:2], order) == 0x0112:
            value = int.from_bytes(entry[8:10], order)
            return value if 1 <= value <= 8 else 1
    return 1


def describe(data: bytes, content_type: str = "") -> tuple[str, str]:
    """Describe non-JPEG `data` for the user, with a hint on what to do."""
    head = data[:512].lstrip().lower()
    if not data:
        return "nothing (an empty answer)", "open the address in a browser and see whether a picture appears"
    if head.startswith((b"<!doctype html", b"<html")) or "text/html" in content_type:
        title = _title(data)
        named = f' titled "{title}"' if title else ""
        return (
            f"a web page{named}",
            "the address must be the picture's own, not the page around it; "
            "common ones end in /snapshot, /webcam/?action=snapshot or /shot.jpg",
        )
    if data.startswith(b"\x89PNG"):
        return "a PNG picture", "set the camera to JPEG; the service reads JPEG only"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "a WebP picture", "set the camera to JPEG; the service reads JPEG only"
    if data.startswith(b"GIF8"):
        return "a GIF picture", "set the camera to JPEG; the service reads JPEG only"
    if head.startswith((b"{", b"[")):
        return "JSON text", "this is an API's address; use the picture's own"
    if data[4:8] == b"ftyp" or "video/" in content_type:
        return "a video", "use the camera's JPEG snapshot, or its RTSP address with type = 'rtsp'"
    if head.startswith(b"#extm3u"):
        return "an HLS playlist", "use the camera's JPEG snapshot, or its RTSP address with type = 'rtsp'"
    if content_type:
        return f"something of type {content_type.split(';')[0]}", "use an address that returns image/jpeg"
    return "data that is not a picture", "use an address that returns image/jpeg"


def _title(data: bytes) -> Optional[str]:
    found = _TITLE.search(data[:16384])
    if found is None:
        return None
    return "".join(c for c in found.group(1).decode("utf-8", "replace") if c.isprintable())


def size_of(data: bytes) -> Optional[tuple[int, int]]:
    """Width and height in pixels, from the frame header; None if there is none."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
