"""JPEG files as cameras and clients send them, made by taking ordinary ones apart."""

from __future__ import annotations

import io
import re

import numpy as np
from PIL import Image

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
DHT, DQT, SOS, APP0 = 0xC4, 0xDB, 0xDA, 0xE0
FRAMES = (0xC0, 0xC1, 0xC2)


def textured(width: int = 640, height: int = 480, seed: int = 0) -> Image.Image:
    """A made-up scene with edges, slopes and grain."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
    scene = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), dtype=int)
    boxes = np.kron(rng.integers(-60, 60, (height // 40 + 1, width // 40 + 1)), np.ones((40, 40), dtype=int))
    grain = rng.normal(0, 4, (height, width, 1))
    return Image.fromarray((scene + boxes[:height, :width, None] + grain).clip(0, 255).astype(np.uint8))


def encode(image: Image.Image | None = None, **options: object) -> bytes:
    """A JPEG of `image` (default: `textured()`), with Pillow's save options."""
    out = io.BytesIO()
    (image or textured()).save(out, "JPEG", **options)
    return out.getvalue()


def segments(jpeg: bytes) -> list[tuple[int, bytes]]:
    """Marker and whole bytes of each segment between SOI and EOI; a scan's data belong to its SOS."""
    found = []
    at = 2
    while jpeg[at : at + 2] != EOI:
        marker = jpeg[at + 1]
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == SOS:
            following = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]").search(jpeg, end)
            assert following
            end = following.start()
        found.append((marker, jpeg[at:end]))
        at = end
    return found


def assemble(parts: list[bytes]) -> bytes:
    """A JPEG of these segments."""
    return SOI + b"".join(parts) + EOI


def mjpeg_frame(jpeg: bytes) -> bytes:
    """As USB cameras send a frame: AVI1 header, the frame header before its tables, no Huffman tables."""
    parts = [(marker, part) for marker, part in segments(jpeg) if marker not in (APP0, DHT)]
    frame = [part for marker, part in parts if marker in FRAMES]
    tables = [part for marker, part in parts if marker == DQT]
    rest = [part for marker, part in parts if marker not in (*FRAMES, DQT)]
    avi1 = b"\xff\xe0\x00\x10AVI1" + bytes(10)
    return assemble([avi1, *frame, *tables, *rest])


def claiming(width: int, height: int) -> bytes:
    """A tiny JPEG whose header claims a size: a decompression bomb, when the size is huge."""
    parts = []
    for marker, part in segments(encode(Image.new("RGB", (16, 16), (90, 120, 60)))):
        if marker in FRAMES:
            part = part[:5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + part[9:]
        parts.append(part)
    return assemble(parts)
