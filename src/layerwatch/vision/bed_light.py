"""Two small views of one scene, brought into the same light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]
"""[3, rows, columns]: luma, Cb, Cr, 0..255."""

_TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], np.float32)
_TO_YCBCR = np.linalg.inv(_TO_RGB).astype(np.float32)

_GAIN_RANGE = (0.4, 2.5)
"""Of the light, against the remembered one; beyond it nothing can be said."""

_ROUNDS = 6
_OFFSET_LEVELS = 30.0
_PRIOR = np.array([12.5, 100.0, 100.0, 25.0])
"""Levels squared: how strongly the gain is held to the median of the ratios, and its slopes across and down
and the offset (in units of `_OFFSET_LEVELS`) to zero. A scene with less contrast says nothing about them."""


def rgb_of(planes: Planes) -> Planes:
    """[3, rows, columns]: red, green, blue, 0..255; out of range where the view does not fit together."""
    centred = planes.copy()
    centred[1:] -= 128
    converted: Planes = np.tensordot(_TO_RGB, centred, 1)
    return converted


def in_same_light(known: Planes, seen: Planes, weights: NDArray[np.float32]) -> Planes | None:
    """`seen` in the light of `known`; None when they are too far apart.

    Light is a gain of each of red, green and blue that changes linearly across the picture, and an offset: a
    lamp from another side, another exposure or white balance. Iteratively reweighted least squares with
    Cauchy weights from the median gain on, so that a left-over does not count as light.

    weights: [rows, columns], how far each cell is to be trusted, 0..1.
    """
    gain = float(np.median((known[0] + 1) / (seen[0] + 1)))
    if not _GAIN_RANGE[0] <= gain <= _GAIN_RANGE[1]:
        return None
    target, source = rgb_of(known), rgb_of(seen)
    _, rows, columns = known.shape
    down, across = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    offset = np.full((rows, columns), _OFFSET_LEVELS)
    prior = _PRIOR * np.array([gain, 0, 0, 0])
    fitted = gain * source
    for _ in range(_ROUNDS):
        residual = np.abs(target - fitted).max(axis=0)
        trust = weights / (1 + (residual / (1.5 * (float(np.median(residual)) + 2))) ** 2)
        total, weight = float(trust.sum()), trust.reshape(-1, 1)
        fitted = np.empty_like(target)
        for channel in range(3):
            light = source[channel]
            terms = np.stack((light, across * light, down * light, offset), axis=-1).reshape(-1, 4)
            weighted = (terms * weight).T
            factors = np.linalg.solve(
                weighted @ terms + total * np.diag(_PRIOR),
                weighted @ target[channel].ravel() + total * prior,
            )
            fitted[channel] = (terms @ factors).reshape(rows, columns)
    back: Planes = np.tensordot(_TO_YCBCR, fitted, 1).astype(np.float32)
    back[1:] += 128
    return back
