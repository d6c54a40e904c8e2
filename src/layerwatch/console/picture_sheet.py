"""The newest pictures of a page of the wall as one small JPEG: one request in place of one for each card.

Tiles are below each other, in the order of the cards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import simplejpeg
from PIL import Image

from layerwatch.learning import RecentPictures
from layerwatch.vision.errors import ImageDecodeError
from layerwatch.vision.jpeg.decoder import decode_jpeg, turn_upright

TILE_WIDTH, TILE_HEIGHT = 320, 180
"""Pixels of a tile. A card shows each picture in this shape."""
BACKGROUND = (12, 17, 16)
JPEG_QUALITY = 78


def picture_sheet(recent: RecentPictures, context_ids: Sequence[str]) -> bytes:
    """The sheet of these prints, at least one. Where no picture is held, the tile stays dark. May block."""
    sheet = Image.new("RGB", (TILE_WIDTH, TILE_HEIGHT * len(context_ids)), BACKGROUND)
    for place, context_id in enumerate(context_ids):
        held = recent.get(context_id)
        if held is not None:
            tile = _tile(held.jpeg)
            if tile is not None:
                sheet.paste(tile, (0, TILE_HEIGHT * place))
    pixels = np.ascontiguousarray(np.asarray(sheet))
    return simplejpeg.encode_jpeg(pixels, quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="420")  # type: ignore[no-any-return]


def _tile(jpeg: bytes) -> Image.Image | None:
    try:
        decoded = decode_jpeg(jpeg, at_least=TILE_HEIGHT)
    except ImageDecodeError:
        return None
    image: Image.Image = turn_upright(Image.fromarray(decoded.pixels), decoded.orientation)
    return image.resize((TILE_WIDTH, TILE_HEIGHT), Image.Resampling.BILINEAR)
