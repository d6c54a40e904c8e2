"""Kept pictures at the size that a network takes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def resized(images: NDArray[np.uint8], positions: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """[len(positions), size, size, 3] of the pictures [N, H, W, 3] at `positions`."""
    return np.stack([cv2.resize(images[n], (size, size), interpolation=cv2.INTER_AREA) for n in positions])
