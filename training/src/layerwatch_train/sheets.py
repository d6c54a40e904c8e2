"""Contact sheets: many small pictures on one PNG, to be looked at and kept out of version control."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw


def contact_sheet(
    images: Sequence[NDArray[np.uint8]],
    captions: Sequence[str],
    out: Path,
    maps: Sequence[NDArray[np.float32]] | None = None,
    side: int = 160,
    columns: int = 10,
) -> None:
    """Write `images` with `captions` to the PNG `out`; `maps` (0..1, any grid) are laid over in red."""
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * side, rows * (side + 12)))
    pen = ImageDraw.Draw(sheet)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = number % columns * side, number // columns * (side + 12)
        small = Image.fromarray(image).resize((side, side))
        if maps is not None:
            strength = Image.fromarray((np.clip(maps[number], 0, 1) * 160).astype(np.uint8)).resize(
                (side, side)
            )
            small.paste(Image.new("RGB", (side, side), (255, 0, 0)), mask=strength)
        sheet.paste(small, (left, top + 12))
        pen.text((left + 1, top), caption[: side // 6], fill=(255, 255, 255))
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out)
