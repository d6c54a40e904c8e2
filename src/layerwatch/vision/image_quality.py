"""The picture's condition, measured from its pixels: is it fit to judge a print by?

One picture cannot show FROZEN or MOVED; those need memory and are found by `temporal`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from PIL import Image, ImageChops

from layerwatch.vision.evidence import THUMBNAIL_SIZE, Condition

# Tuned on 2,664 real webcam frames of five sources (by day, by lamp and in infrared), none of which is
# condemned, and on blurred, shaken, darkened, washed-out and covered copies of every 10th of them.

DARK_LUMA = 40
"""Dark: 98 % of the pixels are below this luma (0..255). A lit print in a dark room is not dark."""

WHITE_LUMA = 250
WHITE_SHARE = 0.6
"""Overexposed: more than this share of the pixels is at `WHITE_LUMA` or above; nothing can be seen there."""

BLOCKED_STEP = 18
"""Blocked: over `FAR` pixels hardly any place changes by more than this luma. A covered lens still shows
noise and slow shading, but no edges."""

BLURRED_SHARPNESS = 0.21
"""Blurred: below this sharpness. The least sharp of the real frames has 0.218. A Gaussian blur of 4 pixels
brings 82 % of 640-pixel frames below, one of 6 all of them; a shake of 15 pixels 90 %, one of 31 all."""

NO_PRINT_IN_VIEW = 0.1
"""No print: the detector's probability that a print or bed is in view is below this. Of 700 real webcam
frames with a print the least had 0.16, the others more than 0.9."""

MEASURED_SIZE = 256
"""Pictures are measured at this size in pixels (or below, if the detector's is smaller), whatever the
camera's resolution, because every measure here depends on it."""

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
    """Measure a picture (mode RGB or L, at least 32 x 32), reduced to `MEASURED_SIZE` if it is larger.

    Sharpness compares the luma change over one pixel with that over `FAR` pixels, both at the picture's
    strongest edges: near 0.5 for a well focused edge at this scale, 1/`FAR` for one that is smeared out. The
    weaker of the two directions counts, since a shaken camera smears only one.
    """
    luma = picture.convert("L")
    if max(luma.size) > MEASURED_SIZE:
        luma = luma.resize((MEASURED_SIZE, MEASURED_SIZE), Image.Resampling.BILINEAR)
    pixels = luma.width * luma.height
    histogram = luma.histogram()
    across = _strongest_change(luma, 1, 0), _strongest_change(luma, FAR, 0)
    down = _strongest_change(luma, 0, 1), _strongest_change(luma, 0, FAR)
    return Measures(
        brightness=sum(level * count for level, count in enumerate(histogram)) / (255.0 * pixels),
        bright=_quantile(histogram, 0.98),
        white=sum(histogram[WHITE_LUMA:]) / pixels,
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


def _strongest_change(luma: Image.Image, across: int, down: int) -> int:
    """Luma change (0..255) from each pixel to the one so many columns and rows on, at the strongest edges."""
    width, height = luma.size
    here = luma.crop((0, 0, width - across, height - down))
    there = luma.crop((across, down, width, height))
    return _quantile(ImageChops.difference(here, there).histogram(), 1.0 - STRONGEST)


def _quantile(histogram: Sequence[int], share: float) -> int:
    """The level that `share` of the values are at or below."""
    below = list(accumulate(histogram))
    return bisect_left(below, share * below[-1])
