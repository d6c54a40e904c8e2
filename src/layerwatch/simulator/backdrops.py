"""What lies behind the printer: a wall, furniture, shelves, posters, plants, spools; painted flat and out of
focus.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from layerwatch.simulator.randomness import Rng, between, choose, happens


def random_backdrop(rng: Rng, width: int, height: int, *, enclosed: bool) -> Image.Image:
    """An RGB picture of `width` by `height` pixels."""
    tone = between(rng, 10, 60) if enclosed or happens(rng, 0.35) else between(rng, 70, 225)
    base = np.clip(tone + rng.normal(0, 10, 3), 3, 250)
    down = np.linspace(between(rng, 0.8, 1.2), between(rng, 0.55, 1.0), height)[:, None, None]
    across = np.linspace(between(rng, 0.8, 1.1), between(rng, 0.8, 1.1), width)[None, :, None]
    image = Image.fromarray(np.clip(base * down * across, 0, 255).astype(np.uint8), "RGB")
    draw = ImageDraw.Draw(image)
    if not enclosed:
        pattern = choose(rng, {"none": 3.0, "bricks": 0.6, "panel": 0.6, "shelf": 1.0, "window": 0.8})
        if pattern == "bricks":
            _bricks(rng, draw, width, height, base)
        elif pattern == "panel":
            _panel(rng, draw, width, height)
        elif pattern == "window":
            _window(rng, draw, width, height)
        for _ in range(int(rng.poisson(7 if pattern == "shelf" else 4))):
            _thing(rng, draw, width, height)
        table = height * between(rng, 0.6, 0.95)
        wood = tuple(
            int(v)
            for v in np.clip(np.array([140, 105, 70]) * between(rng, 0.3, 1.4) + rng.normal(0, 20, 3), 0, 255)
        )
        draw.rectangle([0, table, width, height], fill=wood)
    soft = between(rng, 0.4, 4.5) * width / 640
    return image.filter(ImageFilter.GaussianBlur(soft))


def _colour(rng: Rng, vivid: float = 0.5) -> tuple[int, int, int]:
    grey = between(rng, 10, 235)
    r, g, b = (int(v) for v in np.clip(grey + rng.normal(0, 70 * vivid, 3), 0, 255))
    return r, g, b


def _bricks(rng: Rng, draw: ImageDraw.ImageDraw, width: int, height: int, base: NDArray[np.float64]) -> None:
    tall = height / between(rng, 7, 16)
    tint = base * np.array([1.1, 0.75, 0.7])
    for row in range(int(height / tall) + 1):
        for column in range(-1, int(width / (tall * 2.4)) + 2):
            x = (column + 0.5 * (row % 2)) * tall * 2.4
            fill = tuple(int(v) for v in np.clip(tint * rng.uniform(0.75, 1.1), 0, 255))
            draw.rectangle([x, row * tall, x + tall * 2.3, row * tall + tall * 0.9], fill=fill)


def _panel(rng: Rng, draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """A perforated board: rows of holes."""
    pitch = width / between(rng, 30, 70)
    x0, x1 = sorted(rng.uniform(0, width, 2))
    ink = _colour(rng, 0.3)
    for y in np.arange(0, height * 0.8, pitch):
        for x in np.arange(x0, x1, pitch):
            draw.ellipse([x, y, x + pitch * 0.4, y + pitch * 0.4], fill=ink)


def _window(rng: Rng, draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    x, y = rng.uniform(-0.1, 0.7) * width, rng.uniform(-0.2, 0.2) * height
    w, h = rng.uniform(0.2, 0.5) * width, rng.uniform(0.3, 0.6) * height
    draw.rectangle(
        [x, y, x + w, y + h], fill=(235, 240, 248), outline=(200, 200, 198), width=max(width // 90, 2)
    )
    draw.line([x + w / 2, y, x + w / 2, y + h], fill=(190, 190, 188), width=max(width // 110, 2))


def _thing(rng: Rng, draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    x, y = rng.uniform(-0.05, 1.0) * width, rng.uniform(0.0, 0.75) * height
    w, h = rng.uniform(0.03, 0.3) * width, rng.uniform(0.05, 0.4) * height
    kind = choose(
        rng, {"box": 3.0, "spool": 1.2, "poster": 0.8, "plant": 0.6, "cable": 1.6, "bottle": 0.7, "bin": 0.6}
    )
    if kind in ("box", "bin"):
        draw.rectangle([x, y, x + w, y + h], fill=_colour(rng))
        draw.line([x, y, x + w, y], fill=_colour(rng, 0.2), width=max(int(width / 200), 1))
    elif kind == "spool":
        ring = _colour(rng, 1.2)
        draw.ellipse([x, y, x + h, y + h], fill=ring)
        for step in range(4):
            inset = h * (0.06 + 0.06 * step)
            shade = tuple(int(v * rng.uniform(0.75, 1)) for v in ring)
            draw.ellipse(
                [x + inset, y + inset, x + h - inset, y + h - inset],
                outline=shade,
                width=max(width // 300, 1),
            )
        draw.ellipse([x + h * 0.33, y + h * 0.33, x + h * 0.67, y + h * 0.67], fill=_colour(rng, 0.1))
    elif kind == "poster":
        draw.rectangle([x, y, x + w, y + h], fill=_colour(rng, 1.0))
        draw.ellipse([x + w * 0.2, y + h * 0.2, x + w * 0.8, y + h * 0.6], fill=_colour(rng, 1.0))
        for row in range(3):
            draw.line(
                [x + w * 0.15, y + h * (0.7 + row * 0.08), x + w * 0.85, y + h * (0.7 + row * 0.08)],
                fill=_colour(rng),
                width=2,
            )
    elif kind == "plant":
        green = np.array([40, 110, 45]) * rng.uniform(0.6, 1.5)
        for _ in range(28):
            angle, length = rng.uniform(np.pi, 2 * np.pi), rng.uniform(0.3, 1) * h
            tip = (x + np.cos(angle) * length * 0.8, y + h + np.sin(angle) * length)
            draw.line(
                [x, y + h, *tip],
                fill=tuple(int(v * rng.uniform(0.6, 1.2)) for v in green),
                width=max(width // 160, 2),
            )
    elif kind == "cable":
        t = np.linspace(0, 1, 20)
        xs = x + w * 2 * t + rng.normal(0, 0.02 * width) * np.sin(t * 9)
        ys = y + h * t + rng.normal(0, 0.2 * height) * np.sin(t * np.pi)
        draw.line(
            np.stack([xs, ys], 1).ravel().tolist(),
            fill=_colour(rng, 0.3),
            width=max(int(width / rng.uniform(60, 240)), 1),
        )
    else:
        draw.rounded_rectangle([x, y, x + w * 0.4, y + h], radius=w * 0.1, fill=_colour(rng, 1.0))
