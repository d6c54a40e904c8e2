"""Painting polygons and strands far to near on a picture whose fourth channel says what has failed where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from layerwatch.simulator.camera import SimulatedCamera

Points = NDArray[np.float64]
Colours = NDArray[np.float64]


def inks(colours: Colours, label: int) -> list[int]:
    """Colours (M, 3), 0..1, as packed integers whose fourth byte is 255 less `label`."""
    rgb = np.clip(colours * 255, 0, 255).astype(np.int64)
    packed: list[int] = (rgb[:, 0] | rgb[:, 1] << 8 | rgb[:, 2] << 16 | (255 - label) << 24).tolist()
    return packed


class Canvas:
    """An RGBA picture seen through one camera. Its alpha byte is 255 where all is well, else 254 less the
    kind's index.
    """

    def __init__(self, image: Image.Image, camera: SimulatedCamera) -> None:
        self.image = image
        self.camera = camera
        self.draw = ImageDraw.Draw(image)

    def fill(self, outline: list[float], ink: int) -> None:
        """Fill one polygon, x and y in turn, as `ImageDraw.polygon` does, in half its time."""
        self.draw.draw.draw_polygon(outline, ink - 2**32, 1)  # the same bits as a signed integer

    def polygons(self, corners: Points, colours: Colours, label: int = 0, *, ordered: bool = False) -> None:
        """Fill polygons (M, k, 3); sorted far to near unless they come `ordered`."""
        if not len(corners):
            return
        pixels, depth = self.camera.project(corners)
        seen = np.isfinite(pixels).all(axis=(1, 2))
        seen &= (pixels.max(axis=1) > 0).all(axis=1)
        seen &= (pixels[..., 0].min(axis=1) < self.camera.width) & (
            pixels[..., 1].min(axis=1) < self.camera.height
        )
        order = np.flatnonzero(seen)
        if not ordered:
            order = order[np.argsort(-depth[order].mean(axis=1), kind="stable")]
        flat = np.clip(pixels[order], -4000, 8000).reshape(len(order), 2 * pixels.shape[1]).tolist()
        fill = self.fill
        for points, ink in zip(flat, inks(colours[order], label), strict=True):
            fill(points, ink)

    def lines(self, lines: list[Points], colours: Colours, width: float, label: int = 0) -> None:
        """Polylines, each (k, 3), `width` mm thick at their depth, in the order given."""
        for line, ink in zip(lines, inks(colours, label), strict=True):
            pixels, depth = self.camera.project(line)
            if np.isfinite(pixels).all():
                thick = max(round(width * self.camera.focal / float(depth.mean())), 1)
                self.draw.line(pixels.ravel().tolist(), ink, thick)

    def strands(self, chunks: Points, colours: Colours, radius: float, label: int = 0) -> None:
        """Short polylines (M, k, 3), far to near, each with a darker rim: a tangle reads as strands."""
        if not len(chunks):
            return
        pixels, depth = self.camera.project(chunks)
        middle = depth.mean(axis=1)
        seen = np.isfinite(pixels).all(axis=(1, 2))
        seen &= (pixels.max(axis=1) > 0).all(axis=1)
        seen &= (pixels[..., 0].min(axis=1) < self.camera.width) & (
            pixels[..., 1].min(axis=1) < self.camera.height
        )
        order = np.flatnonzero(seen)
        order = order[np.argsort(-middle[order], kind="stable")]
        exact = 2 * radius * self.camera.focal / middle[order]
        core = np.maximum(np.round(exact), 1).astype(int)
        faint = np.clip(exact, 0.5, 1.0)[:, None]
        flat = pixels[order].reshape(len(order), 2 * pixels.shape[1]).tolist()
        bright = inks(colours[order] * (0.35 + 0.65 * faint), label)
        rim = inks(colours[order] * 0.38, label)
        line = self.draw.line
        for points, width, ink, dark in zip(flat, core.tolist(), bright, rim, strict=True):
            line(points, dark, width + (1 if width < 5 else 2))
            line(points, ink, width)
