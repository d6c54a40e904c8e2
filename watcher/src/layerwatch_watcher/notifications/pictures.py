"""Pictures made fit for messages: small enough for every channel."""

from __future__ import annotations

import asyncio
import functools
import io
from typing import Optional

from layerwatch_watcher.cameras import jpeg

MAX_SIDE = 1280
"""Pixels of the longer side."""
MAX_BYTES = 500_000
"""What the strictest common receivers take, with room for base64 in a body of 1 MiB."""
_QUALITIES = (85, 70, 50, 30)
_MAX_PIXELS = 50_000_000


async def fitted(picture: Optional[bytes]) -> Optional[bytes]:
    """`picture` as a JPEG of at most `MAX_SIDE` pixels and `MAX_BYTES` bytes; None if that cannot be had.

    Only a picture that is too large needs Pillow (extra `[images]`); without it such a picture is left out.
    """
    if picture is None:
        return None
    size = jpeg.size_of(picture)
    if len(picture) <= MAX_BYTES and (size is None or max(size) <= MAX_SIDE):
        return picture
    return await asyncio.get_running_loop().run_in_executor(None, _scaled, picture)


@functools.lru_cache(maxsize=4)  # one alarm goes to several channels
def _scaled(picture: bytes) -> Optional[bytes]:
    kept = picture if len(picture) <= MAX_BYTES else None
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return kept
    try:
        with Image.open(io.BytesIO(picture), formats=["JPEG"]) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                return None
            opened.draft("RGB", (MAX_SIDE, MAX_SIDE))
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return kept
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    for quality in _QUALITIES:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality)
        if out.tell() <= MAX_BYTES:
            return out.getvalue()
    return None
