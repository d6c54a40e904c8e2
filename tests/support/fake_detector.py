"""A test double for the detector: fast, deterministic, and steered by the picture's colour.

It looks at nothing but mean colour, so a test chooses the answer by painting the picture:

- failure probability = mean red / 255; the whole map says the same;
- kind = spaghetti by as much as it fails, the others 0;
- print in view = 1 - mean blue / 255.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image

from layerwatch.vision import KINDS, Picture, RawDetection

GRID = 4


class FakeDetector:
    """Implements `layerwatch.vision.Detector`. seconds: how long each call pretends to take.

    `batches` lists the size of every call; `gate`, when cleared, holds calls up until it is set again.
    """

    version = "fake"

    def __init__(self, size: int = 64, seconds: float = 0.0) -> None:
        self.size = size
        self.seconds = seconds
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def detect(self, images: Sequence[Picture]) -> list[RawDetection]:
        assert all(image.shape == (self.size, self.size, 3) for image in images)
        self.batches.append(len(images))
        self.gate.wait(timeout=30)
        if self.seconds:
            time.sleep(self.seconds)
        return [self._look(image) for image in images]

    @staticmethod
    def _look(image: Picture) -> RawDetection:
        red, _, blue = (float(mean) / 255.0 for mean in image.mean(axis=(0, 1)))
        kinds = tuple(red if kind == "spaghetti" else 0.0 for kind in KINDS)
        return RawDetection(red, kinds, np.full((GRID, GRID), red, dtype=np.float32), 1.0 - blue)


def picture(
    failure: float = 0.0, width: int = 320, height: int = 240, quality: int = 90, seed: int = 0
) -> bytes:
    """A JPEG in which `FakeDetector` sees about this failure probability (within 0.02, for 0.1..0.9 0.01).

    It has edges and texture enough to be judged fit to look at (condition OK).
    """
    rng = np.random.default_rng(seed)
    blocks = rng.integers(60, 200, (height // 16 + 1, width // 16 + 1))
    green = np.kron(blocks, np.ones((16, 16)))[:height, :width]
    rgb = np.zeros((height, width, 3), dtype=np.uint8)
    rgb[..., 0] = round(failure * 255)
    rgb[..., 1] = green
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()
