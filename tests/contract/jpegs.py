"""Pictures as cameras and accidents make them, for the contract's table."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

from tests.support.fake_detector import picture

WHOLE = picture(failure=0.1)


def segments(jpeg: bytes) -> list[tuple[int, bytes]]:
    """The marker segments up to and with SOS (its entropy data and EOI included), as (marker, bytes)."""
    parts: list[tuple[int, bytes]] = []
    at = 2
    while True:
        marker = jpeg[at + 1]
        length = struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        if marker == 0xDA:
            return [*parts, (marker, jpeg[at:])]
        parts.append((marker, jpeg[at : at + 2 + length]))
        at += 2 + length


def join(parts: list[tuple[int, bytes]]) -> bytes:
    return b"\xff\xd8" + b"".join(content for _, content in parts)


def without(jpeg: bytes, *markers: int) -> bytes:
    return join([part for part in segments(jpeg) if part[0] not in markers])


def sof_first(jpeg: bytes) -> bytes:
    """The frame header moved before the quantisation tables, as many cameras' MJPEG has it."""
    parts = segments(jpeg)
    frame = [part for part in parts if part[0] == 0xC0]
    return join(frame + [part for part in parts if part[0] != 0xC0])


def claiming(jpeg: bytes, width: int, height: int) -> bytes:
    """The same file with other dimensions in its frame header."""
    at = jpeg.index(b"\xff\xc0")
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


DECODABLE: dict[str, bytes] = {
    "whole": WHOLE,
    "no JFIF header": without(WHOLE, 0xE0),
    "frame header before tables": sof_first(WHOLE),
    "NULs after the end": WHOLE + bytes(512),
    "junk after the end": WHOLE + b"--boundary\r\nContent-Type: image/jpeg\r\n",
    "smallest": picture(failure=0.1, width=16, height=16),
    "large": picture(failure=0.1, width=2560, height=1440),
}

UNDECODABLE: dict[str, bytes] = {
    "text": b"this is not a picture",
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "HTML of a login page": b"<!doctype html><html><body>Sign in</body></html>",
    "only the first marker": b"\xff\xd8",
    "cut in its head": WHOLE[:100],
    "cut in the middle": WHOLE[: len(WHOLE) // 2],
    "cut just before its end": WHOLE[:-40],
    "cut and given an end": WHOLE[: len(WHOLE) // 2] + b"\xff\xd9",
    "claims 65,000 x 65,000": claiming(WHOLE, 65000, 65000),
    "claims no width": claiming(WHOLE, 0, 240),
    "claims more rows than it holds": claiming(WHOLE, 320, 4000),
    "random bytes behind a JPEG head": WHOLE[:20] + bytes(range(256)) * 20,
}


def moment(failure: float, tick: int) -> bytes:
    """A living camera's frame: the same scene as `picture`, with noise of its own at every tick."""
    scene = np.asarray(Image.open(io.BytesIO(picture(failure=failure))), dtype=np.int16)
    noise = np.random.default_rng(tick).integers(-12, 13, scene.shape, dtype=np.int16)
    out = io.BytesIO()
    Image.fromarray(np.clip(scene + noise, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def flat(luma: int) -> bytes:
    """A frame of one grey (0..255), as of a camera in the dark or one that looks into a lamp."""
    out = io.BytesIO()
    Image.new("L", (320, 240), luma).save(out, "JPEG")
    return out.getvalue()
