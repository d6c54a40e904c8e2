"""What a camera and its place do to a picture: geometry, light, lens, sensor and compression.

Each call draws one set of accidents from a generator, so that a seed replays it. Pictures are uint8 [H,
W, 3] RGB, masks uint8 [H, W] (255 where the failure is).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.uint8]

cv2.setNumThreads(1)


def place(
    image: Image, mask: Image, size: int, rng: Generator, zoom: tuple[float, float]
) -> tuple[Image, Image]:
    """Turn, flip, shear, zoom and warp picture and mask alike, to size x size.

    zoom: range of magnification; under 1 shows the picture smaller with mirrored surroundings. Of up to
    four draws
    it takes one that keeps at least a third of the mask's area share, so that a failure is not cropped away.
    """
    best: tuple[Image, Image] | None = None
    before = float(mask.mean())
    for _ in range(4):
        matrix = _warp(image.shape[0], size, rng, zoom)
        border = cv2.BORDER_REFLECT_101
        moved = cv2.warpPerspective(mask, matrix, (size, size), flags=cv2.INTER_NEAREST, borderMode=border)
        best = (image, moved)
        if before == 0 or float(moved.mean()) > before / 3:
            break
    assert best is not None
    warped = cv2.warpPerspective(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    return warped, best[1]


def _warp(source: int, size: int, rng: Generator, zoom: tuple[float, float]) -> NDArray[np.float64]:
    """A 3x3 matrix from source pixels to size pixels."""
    scale = np.exp(rng.uniform(np.log(zoom[0]), np.log(zoom[1])))
    aspect = np.exp(rng.uniform(-0.2, 0.2))
    angle = np.deg2rad(rng.normal(0, 8))
    if rng.random() < 0.12:
        angle += np.pi  # cameras hang upside down
    if rng.random() < 0.05:
        angle += np.pi / 2 * rng.choice([-1, 1])
    flip = -1.0 if rng.random() < 0.5 else 1.0
    spare = max(0.0, 1 - 1 / scale) / 2 + 0.05
    cx, cy = 0.5 + rng.uniform(-spare, spare, 2)
    to_unit = np.array([[1 / source, 0, -cx], [0, 1 / source, -cy], [0, 0, 1]])
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    shape = np.array(
        [[flip * scale * aspect, rng.normal(0, 0.06), 0], [rng.normal(0, 0.06), scale / aspect, 0], [0, 0, 1]]
    )
    tilt = np.array([[1, 0, 0], [0, 1, 0], [*rng.normal(0, 0.12, 2), 1]])
    back = np.array([[size, 0, size / 2], [0, size, size / 2], [0, 0, 1]])
    return back @ tilt @ shape @ turn @ to_unit


def look(image: Image, rng: Generator) -> Image:
    """Light, lens, sensor and compression: each with its own chance."""
    x = image.astype(np.float32)
    height, width = x.shape[:2]
    grey = rng.random()
    if grey < 0.14:  # infrared or a grey camera, some with a tint
        x = np.repeat(x @ np.array([[0.3], [0.59], [0.11]], np.float32), 3, axis=2)
        if rng.random() < 0.4:
            x *= rng.uniform(0.7, 1.15, 3).astype(np.float32)
    elif grey < 0.75:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hue = rng.normal(0, 12) if rng.random() < 0.7 else rng.uniform(0, 180)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(hue)) % 180
        hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(0.3, 1.5), 0, 255).astype(np.uint8)
        x = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32)
    if rng.random() < 0.3:  # coloured light
        x *= rng.uniform(0.6, 1.2, 3).astype(np.float32)
    if rng.random() < 0.7:
        mean = float(x.mean())
        x = (x - mean) * rng.uniform(0.5, 1.5) + mean * np.exp(rng.normal(0, 0.3))
    if rng.random() < 0.4:
        x = 255 * (np.clip(x, 0, 255) / 255) ** np.float32(np.exp(rng.normal(0, 0.4)))
    if rng.random() < 0.15:  # light from one side, vignette
        field = cv2.resize(
            rng.uniform(0.35, 1.25, (3, 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
        x *= field[..., None]
    if rng.random() < 0.04:
        x = 255 - x
    x = _blur(np.clip(x, 0, 255), rng)
    if rng.random() < 0.1:  # dirt on the lens, or something in the way
        for _ in range(rng.integers(1, 4)):
            centre = (int(rng.integers(width)), int(rng.integers(height)))
            spot = np.zeros((height, width), np.float32)
            cv2.circle(spot, centre, int(rng.integers(6, width // 8)), 1.0, -1)
            spot = cv2.GaussianBlur(spot, (0, 0), rng.uniform(2, 10)) * np.float32(rng.uniform(0.2, 0.9))
            x = x * (1 - spot[..., None]) + spot[..., None] * np.float32(rng.uniform(0, 255))
    if rng.random() < 0.35:
        x += (rng.standard_normal((height, width, 1)) * rng.uniform(2, 16)).astype(np.float32)
    out = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        out = jpeg(out, int(rng.integers(20, 96)))
    return out


def _blur(x: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    draw = rng.random()
    if draw < 0.12:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.8))
    elif draw < 0.18:
        length = int(rng.integers(3, 9))
        kernel = np.zeros((length, length), np.float32)
        cv2.line(kernel, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1.0)
        x = cv2.filter2D(x, -1, kernel / kernel.sum())
    elif draw < 0.30:  # a smaller camera picture, scaled up
        side = int(x.shape[0] * rng.uniform(0.45, 0.9))
        small = cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA)
        x = cv2.resize(small, (x.shape[1], x.shape[0]), interpolation=cv2.INTER_LINEAR)
    elif draw < 0.36:
        x = x + rng.uniform(0.3, 1.2) * (x - cv2.GaussianBlur(x, (0, 0), 1.2))
    return np.clip(x, 0, 255)


def jpeg(image: Image, quality: int) -> Image:
    """Compress and decompress at `quality` 1..100."""
    data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
