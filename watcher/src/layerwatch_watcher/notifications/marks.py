"""Marking in a picture where a failure was seen."""

from __future__ import annotations

import io
from typing import Sequence

from layerwatch_sdk.models import Box

MIN_BOX_PROBABILITY = 0.5
"""Boxes less probable are not drawn."""

_MARK = (230, 40, 40)


def marked(picture: bytes, boxes: Sequence[Box]) -> bytes:
    """The picture with the probable boxes drawn in; as it is without boxes, or without Pillow."""
    wanted = [box for box in boxes if box.probability >= MIN_BOX_PROBABILITY]
    if not wanted:
        return picture
    try:
        from PIL import Image, ImageDraw, ImageOps
    except ImportError:
        return picture
    try:
        with Image.open(io.BytesIO(picture), formats=["JPEG"]) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return picture
    draw = ImageDraw.Draw(image)
    w, h = image.size
    for box in wanted:
        corners = (box.left * w, box.top * h, (box.left + box.width) * w, (box.top + box.height) * h)
        draw.rectangle(corners, outline=_MARK, width=max(2, w // 300))
        draw.text(
            (corners[0] + 4, corners[1] + 4), f"{box.kind.replace('_', ' ')} {box.probability:.0%}", _MARK
        )
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()
