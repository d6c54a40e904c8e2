"""What the frozen part of the network makes of pictures as they are, kept on disk for every judge of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layerwatch_train.model import VARIANTS, Detector
from layerwatch_train.samples import Lower

_AT_ONCE = 64


def resized(images: NDArray[np.uint8], positions: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """[len(positions), size, size, 3] of the kept pictures."""
    return np.stack([cv2.resize(images[n], (size, size), interpolation=cv2.INTER_AREA) for n in positions])


def kept(path: Path, images: NDArray[np.uint8], variant: str, size: int) -> NDArray[np.float16]:
    """[N, size/8, size/8, C] of `images` [N, H, W, 3], made once and kept in the file `path`."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        detector = Detector(variant)
        detector.trunk.load_imagenet(VARIANTS[variant])
        lower, shape = Lower(detector), (len(images), size // 8, size // 8, detector.trunk.channels[0])
        store = np.lib.format.open_memmap(path.with_suffix(".part"), "w+", np.float16, shape)
        for start in range(0, len(images), _AT_ONCE):
            part = np.arange(start, min(start + _AT_ONCE, len(images)))
            store[part] = lower(resized(images, part, size))
        store.flush()
        path.with_suffix(".part").rename(path)
    return np.load(path, mmap_mode="r")
