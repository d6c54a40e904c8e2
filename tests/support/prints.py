"""Pictures of one print as a fixed camera sees it; `FakeDetector` reads the failure from their red."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 320, 240


def frame(failure: float, number: int) -> bytes:
    """The print's picture `number`, in which `FakeDetector` sees about this failure probability.

    Brightness is the same whatever the failure, so that a failure does not look like a moved camera;
    a block wanders, so that the picture is never frozen.
    """
    blocks = np.random.default_rng(7).integers(140, 220, (HEIGHT // 16, WIDTH // 16))
    luma = np.kron(blocks, np.ones((16, 16)))
    column = 40 * (number % 7)
    luma[100:140, column : column + 40] -= 60
    red = np.full((HEIGHT, WIDTH), failure * 255)
    green = np.clip((luma - 0.299 * red) / 0.587 - 60, 0, 255)
    rgb = np.stack([red, green, np.zeros_like(red)], axis=-1).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=90, subsampling=0)
    return out.getvalue()
