"""What a camera may do to a picture, each at three strengths, to judge the detector by."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from layerwatch_train.augment import jpeg

Image = NDArray[np.uint8]


def _dark(x: Image, strength: int) -> Image:
    return (x * (0.6, 0.35, 0.2)[strength]).astype(np.uint8)


def _bright(x: Image, strength: int) -> Image:
    return np.clip(x * (1.4, 1.9, 2.5)[strength], 0, 255).astype(np.uint8)


def _noise(x: Image, strength: int) -> Image:
    rng = np.random.default_rng(0)
    noisy = x + rng.standard_normal(x.shape) * (6, 14, 28)[strength]
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _defocus(x: Image, strength: int) -> Image:
    return cv2.GaussianBlur(x, (0, 0), (0.8, 1.6, 2.8)[strength] * x.shape[0] / 320)


def _motion(x: Image, strength: int) -> Image:
    length = round((5, 9, 15)[strength] * x.shape[0] / 320)
    return cv2.filter2D(x, -1, np.full((1, length), 1 / length, np.float32))


def _jpeg(x: Image, strength: int) -> Image:
    return jpeg(x, (60, 30, 12)[strength])


def _grey(x: Image, strength: int) -> Image:
    part = (0.4, 0.7, 1.0)[strength]
    grey = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., None]
    return (x * (1 - part) + grey * part).astype(np.uint8)


def _tint(x: Image, strength: int) -> Image:
    part = (0.3, 0.6, 0.85)[strength]
    return (x * np.array([1.0, 1 - part, 1 - part / 2])).astype(np.uint8)


def _turned(x: Image, strength: int) -> Image:
    return np.ascontiguousarray(np.rot90(x, (2, 1, 3)[strength]))


def _zoomed_out(x: Image, strength: int) -> Image:
    side = x.shape[0]
    small = round(side * (0.8, 0.6, 0.45)[strength])
    margin = side - small
    edges = (margin // 2, margin - margin // 2)
    shrunk = cv2.resize(x, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(shrunk, *edges, *edges, cv2.BORDER_REFLECT_101)


def _low_resolution(x: Image, strength: int) -> Image:
    side = x.shape[0]
    small = round(side * (0.6, 0.4, 0.25)[strength])
    shrunk = cv2.resize(x, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (side, side), interpolation=cv2.INTER_LINEAR)


CORRUPTIONS: dict[str, Callable[[Image, int], Image]] = {
    "dark": _dark,
    "bright": _bright,
    "noise": _noise,
    "defocus": _defocus,
    "motion": _motion,
    "jpeg": _jpeg,
    "grey": _grey,
    "tint": _tint,
    "turned 180/90/270": _turned,
    "smaller in view": _zoomed_out,
    "low resolution": _low_resolution,
}
"""Name → (picture, strength 0..2) → picture of the same size."""
