"""Which kind of camera took a picture: few kinds, by the picture alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WIDTHS = (640, 1280, 1920)
"""Upper bounds of the classes of width, pixels."""

GREY_SPREAD = 6.0
"""Below this mean difference (0..255) between a pixel's largest and smallest channel a picture is grey: an
infrared camera, or one by night."""

_EVERY = 8


def camera_kind(pixels: NDArray[np.uint8], width: int) -> str:
    """`color` or `grey`, and the class of width: `color-1280`, `grey-larger`.

    pixels: [H, W, 3] RGB, of any size.  width: of the picture as the camera sent it.
    """
    some = pixels[::_EVERY, ::_EVERY]
    spread = float((some.max(axis=2) - some.min(axis=2)).mean())
    size = next((str(bound) for bound in WIDTHS if width <= bound), "larger")
    return f"{'grey' if spread < GREY_SPREAD else 'color'}-{size}"
