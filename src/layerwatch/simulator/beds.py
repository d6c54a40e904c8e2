"""Print beds as textures: PEI, glass, tape, patterned sheets; logos, grids, scratches and old glue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from layerwatch.simulator.randomness import Rng, between, choose, happens

TEXTURE = 512
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Bed:
    """width, depth: mm. texture: RGB square. reflect: 0..1 mirror. clips: whether binder clips hold the
    sheet.
    """

    kind: str
    width: float
    depth: float
    is_round: bool
    texture: Image.Image
    reflect: float
    clips: bool
    edge: tuple[float, float, float]

    def corners(self) -> Points:
        x, y = self.width / 2, self.depth / 2
        return np.array([[-x, y, 0.0], [x, y, 0.0], [x, -y, 0.0], [-x, -y, 0.0]])

    def outline(self) -> Points:
        if not self.is_round:
            return self.corners()
        angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        return np.stack([np.cos(angle) * self.width / 2, np.sin(angle) * self.depth / 2, angle * 0], axis=1)


_BASE: dict[str, list[tuple[int, int, int]]] = {
    "pei": [(176, 134, 66), (150, 118, 66), (60, 57, 53), (42, 42, 44), (112, 98, 76)],
    "smooth": [(40, 40, 42), (54, 52, 48), (30, 32, 35), (160, 120, 50)],
    "glass": [(52, 58, 62), (84, 92, 96), (120, 130, 130), (30, 32, 36)],
    "black": [(26, 26, 28), (36, 36, 38), (48, 48, 50)],
    "tape": [(60, 110, 190), (80, 130, 200), (210, 190, 130)],
    "grey": [(110, 112, 114), (150, 150, 148), (88, 92, 96), (200, 200, 196)],
}


def random_bed(rng: Rng, *, is_round: bool) -> Bed:
    kind = choose(rng, {"pei": 3.0, "smooth": 1.5, "glass": 1.5, "black": 2.5, "tape": 0.7, "grey": 1.2})
    width = between(rng, 180, 320)
    depth = width if is_round or happens(rng, 0.7) else width * between(rng, 0.8, 1.1)
    base = np.array(_BASE[kind][int(rng.integers(len(_BASE[kind])))], dtype=float)
    base = np.clip(base * between(rng, 0.75, 1.2) + rng.normal(0, 4, 3), 8, 245)
    texture = _texture(rng, kind, base)
    reflect = {"glass": between(rng, 0.15, 0.5), "smooth": between(rng, 0.05, 0.3)}.get(
        kind, between(rng, 0, 0.08)
    )
    edge = tuple(float(v) for v in np.clip(base / 255 * 0.5, 0.03, 1))
    return Bed(kind, width, depth, is_round, texture, reflect, kind == "glass" and happens(rng, 0.6), edge)  # type: ignore[arg-type]


def _texture(rng: Rng, kind: str, base: NDArray[np.float64]) -> Image.Image:
    grain = {"pei": 16.0, "black": 7.0, "grey": 6.0, "tape": 4.0}.get(kind, 2.0)
    noise = rng.normal(0, grain, (TEXTURE, TEXTURE, 1))
    broad = rng.normal(0, 1, (9, 9))
    cloud = np.asarray(
        Image.fromarray(broad.astype(np.float32)).resize((TEXTURE, TEXTURE), Image.Resampling.BICUBIC)
    )
    pixels = base + noise + (cloud * between(rng, 1, 7))[..., None]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")
    draw = ImageDraw.Draw(image)
    ink = _contrast(rng, base)
    if kind == "tape":
        strip = int(rng.integers(44, 100))
        for x in range(0, TEXTURE, strip):
            shade = float(rng.uniform(0.88, 1.08))
            draw.rectangle([x, 0, x + strip - 3, TEXTURE], fill=tuple(int(min(v * shade, 255)) for v in base))
            draw.line(
                [x + strip - 2, 0, x + strip - 2, TEXTURE], fill=tuple(int(v * 0.6) for v in base), width=2
            )
    if happens(rng, 0.22):
        pitch = int(rng.integers(24, 72))
        for at in range(pitch, TEXTURE, pitch):
            draw.line([at, 8, at, TEXTURE - 8], fill=ink, width=1)
            draw.line([8, at, TEXTURE - 8, at], fill=ink, width=1)
    if happens(rng, 0.3):
        inset = int(rng.integers(6, 26))
        draw.rectangle(
            [inset, inset, TEXTURE - inset, TEXTURE - inset], outline=ink, width=int(rng.integers(1, 4))
        )
    if happens(rng, 0.5):
        _logo(rng, draw, ink)
    if happens(rng, 0.3):
        _markings(rng, draw, ink)
    for _ in range(int(rng.poisson(5)) if happens(rng, 0.5) else 0):
        x, y = rng.uniform(0, TEXTURE, 2)
        dx, dy = rng.normal(0, 60, 2)
        scratch = tuple(int(v) for v in np.clip(base + rng.choice([-26, 22]), 0, 255))
        draw.line([x, y, x + dx, y + dy], fill=scratch, width=1)
    for _ in range(int(rng.integers(1, 5)) if happens(rng, 0.35) else 0):
        _stain(rng, draw, base)
    return image.filter(ImageFilter.GaussianBlur(0.6))


def _contrast(rng: Rng, base: NDArray[np.float64]) -> tuple[int, int, int]:
    far = between(rng, 60, 170)
    toward = base + far if base.mean() < 120 else base - far
    r, g, b = (int(v) for v in np.clip(toward, 0, 250))
    return r, g, b


def _logo(rng: Rng, draw: ImageDraw.ImageDraw, ink: tuple[int, int, int]) -> None:
    """A made-up maker's mark: a row of bars and rings that reads as lettering from afar."""
    size = int(rng.integers(14, 46))
    x, y = (
        int(rng.integers(20, TEXTURE - size * 5 - 20)),
        int(rng.choice([30, TEXTURE // 2, TEXTURE - size - 30])),
    )
    thick = max(size // 6, 2)
    for _ in range(int(rng.integers(3, 8))):
        glyph = int(rng.integers(5))
        if glyph == 0:
            draw.ellipse([x, y, x + size * 0.8, y + size], outline=ink, width=thick)
        elif glyph == 1:
            draw.line([x, y, x, y + size], fill=ink, width=thick)
            draw.line([x, y + size // 2, x + size * 0.6, y], fill=ink, width=thick)
            draw.line([x, y + size // 2, x + size * 0.6, y + size], fill=ink, width=thick)
        elif glyph == 2:
            draw.rectangle([x, y, x + size * 0.6, y + size * 0.5], outline=ink, width=thick)
            draw.line([x, y, x, y + size], fill=ink, width=thick)
        elif glyph == 3:
            draw.line([x, y + size, x + size * 0.4, y, x + size * 0.8, y + size], fill=ink, width=thick)
        else:
            for row in (0.0, 0.5, 1.0):
                draw.line([x, y + size * row, x + size * 0.6, y + size * row], fill=ink, width=thick)
        x += int(size * 0.95)


def _markings(rng: Rng, draw: ImageDraw.ImageDraw, ink: tuple[int, int, int]) -> None:
    """Warning triangles, rulers along the edge and fine print."""
    for at in range(20, TEXTURE - 20, 12):
        draw.line([at, TEXTURE - 4, at, TEXTURE - (14 if at % 60 == 20 else 9)], fill=ink, width=1)
    x, y = int(rng.integers(40, TEXTURE - 90)), int(rng.integers(40, TEXTURE - 90))
    draw.polygon([x, y + 34, x + 20, y, x + 40, y + 34], outline=ink, width=3)
    draw.line([x + 20, y + 11, x + 20, y + 25], fill=ink, width=3)
    for row in range(int(rng.integers(2, 6))):
        draw.line(
            [x + 52, y + 4 + row * 7, x + 52 + int(rng.integers(30, 110)), y + 4 + row * 7], fill=ink, width=2
        )


def _stain(rng: Rng, draw: ImageDraw.ImageDraw, base: NDArray[np.float64]) -> None:
    """The ghost of an earlier part, or a patch of glue."""
    x, y = rng.uniform(60, TEXTURE - 60, 2)
    rx, ry = rng.uniform(15, 90, 2)
    shade = tuple(int(v) for v in np.clip(base + rng.choice([-14, 16]), 0, 255))
    if happens(rng, 0.5):
        draw.ellipse([x - rx, y - ry, x + rx, y + ry], outline=shade, width=int(rng.integers(1, 5)))
    else:
        draw.rectangle([x - rx, y - ry, x + rx, y + ry], fill=shade)
