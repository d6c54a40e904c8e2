"""The picture's condition, measured from its pixels: is it fit to judge a print by?

One picture cannot tell FROZEN or MOVED; those need memory and are told by `temporal`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from layerwatch.vision.evidence import THUMBNAIL_SIZE, Condition

# Tuned on real webcam frames of five sources (2,468, by day, by lamp and in infrared) and on
# blurred, darkened, washed-out and covered copies of them. What counts first: virtually no frame that a
# person can judge by is condemned.

DARK_LUMA = 45
"""Dark: 98 % of the pixels are below this luma (0..255). A lit print in a dark room is not dark."""

WHITE_LUMA = 250
WHITE_SHARE = 0.6
"""Overexposed: more than this share of the pixels is at `WHITE_LUMA` or above; nothing can be seen there."""

BLOCKED_STEP = 24
"""Blocked: over `FAR` pixels hardly any place changes by more than this luma. A covered lens still shows
noise and slow shading, but no edges."""

BLURRED_SHARPNESS = 0.23
"""Blurred: below this sharpness. A Gaussian blur of about 4 pixels leaves less of any 640-pixel frame."""

NO_PRINT_IN_VIEW = 0.2
"""No print: the detector's probability that a print or bed is in view is below this."""

FAR = 8
STRONGEST = 0.002
"""Share of the picture's places that count as its strongest edges."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured on one picture.

    brightness: mean luma, 0..1.  bright: luma (0..255) that 2 % of the pixels exceed.  white: share of the
    pixels that are blown out.  step: luma change over `FAR` pixels at the strongest edges.
    sharpness: how much of that change happens within one pixel, 0..1; independent of contrast.
    thumbnail: luma, 32x24, row-major.
    """

    brightness: float
    bright: int
    white: float
    step: int
    sharpness: float
    thumbnail: bytes


def measure(picture: Image.Image) -> Measures:
    """Measure a picture at the size at which the detector sees it (mode RGB or L, at least 32 x 32).

    Sharpness compares the luma change over one pixel with that over `FAR` pixels, both at the picture's
    strongest edges: near 0.5 for a well focused edge at this scale, 1/`FAR` for one that is smeared out. The
    weaker of the two directions counts, since a shaken camera smears only one.
    """
    luma = picture.convert("L")
    pixels = np.asarray(luma)
    histogram = luma.histogram()
    below = np.cumsum(histogram)
    bright = int(np.searchsorted(below, 0.98 * pixels.size))
    across, down = _edges(pixels), _edges(pixels.T)
    return Measures(
        brightness=float(np.dot(histogram, np.arange(256)) / (255.0 * pixels.size)),
        bright=bright,
        white=sum(histogram[WHITE_LUMA:]) / pixels.size,
        step=max(across[1], down[1]),
        sharpness=min(near / max(far, 1) for near, far in (across, down)),
        thumbnail=luma.resize(THUMBNAIL_SIZE, Image.Resampling.BOX).tobytes(),
    )


def judge(measures: Measures, print_in_view: float) -> Condition:
    """The one word for a picture: the first of dark, overexposed, blocked, blurred, no print; else OK."""
    if measures.bright < DARK_LUMA:
        return Condition.DARK
    if measures.white > WHITE_SHARE:
        return Condition.OVEREXPOSED
    if measures.step < BLOCKED_STEP:
        return Condition.BLOCKED
    if measures.sharpness < BLURRED_SHARPNESS:
        return Condition.BLURRED
    if print_in_view < NO_PRINT_IN_VIEW:
        return Condition.NO_PRINT
    return Condition.OK


def _edges(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """Luma change over 1 and over `FAR` pixels along the rows, at the strongest edges."""
    return _strongest(_change(pixels, 1)), _strongest(_change(pixels, FAR))


def _change(pixels: NDArray[np.uint8], distance: int) -> NDArray[np.uint8]:
    one, other = pixels[:, distance:], pixels[:, :-distance]
    return np.maximum(one, other) - np.minimum(one, other)


def _strongest(change: NDArray[np.uint8]) -> int:
    counts = np.bincount(change.ravel(), minlength=256)
    return int(np.searchsorted(np.cumsum(counts), (1.0 - STRONGEST) * change.size))
