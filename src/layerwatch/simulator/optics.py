"""From a painted picture to what a webcam sends: lens, exposure, colour, noise, dirt, overlay, JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from layerwatch.simulator.randomness import Rng, between, choose, happens, stream

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class FrameConditions:
    """What changes from frame to frame. gain: exposure; defocus: pixels of blur; tint: RGB gains."""

    gain: float = 1.0
    defocus: float = 0.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    noise: float = 1.0
    infrared: bool = False


@dataclass(frozen=True)
class Optics:
    """One camera's character. barrel: 0..0.4; noise: levels of 255; quality: JPEG 1..95."""

    width: int
    height: int
    barrel: float
    blur: float
    noise: float
    cast: tuple[float, float, float]
    contrast: float
    saturation: float
    sharpen: float
    quality: int
    infrared: bool
    overlay: str | None
    caption: tuple[str, float, int] | None
    """Words laid over the picture, their height (0..1) and a style: people film their screens for others."""
    veil: Image.Image
    grain: Image.Image
    maps: tuple[NDArray[np.intp], NDArray[np.intp]] | None = field(default=None, repr=False)

    def bend(self, pixels: Pixels) -> Pixels:
        """Barrel distortion of an image or a mask, (H, W, …)."""
        return pixels if self.maps is None else pixels[self.maps]

    def develop(self, image: Image.Image, moment: FrameConditions, rng: Rng, seconds: float) -> Pixels:
        """RGB picture (height, width, 3) as the camera would send it, before JPEG."""
        if self.maps is not None:
            image = Image.fromarray(self.bend(np.asarray(image)), "RGB")
        blur = self.blur + moment.defocus
        if blur > 0.3:
            image = image.filter(ImageFilter.GaussianBlur(blur))
        if self.sharpen > 0:
            image = image.filter(ImageFilter.UnsharpMask(1.2, int(self.sharpen), 2))
        if self.infrared or moment.infrared:
            image = image.convert("L").convert("RGB")
        elif self.saturation != 1.0:
            grey = image.convert("L").convert("RGB")
            image = Image.blend(grey, image, self.saturation)
        image = ImageChops.multiply(image, self.veil)
        image = image.point(self._curve(moment))
        if self.noise > 0:
            shift = (int(rng.integers(self.width)), int(rng.integers(self.height)))
            speckle = ImageChops.offset(self.grain, *shift)
            share = min(self.noise * moment.noise / 40, 1.0)
            flat = Image.new("RGB", image.size, (128, 128, 128))
            image = ImageChops.add(image, Image.blend(flat, speckle, share), 1, -128)
        if self.overlay is not None:
            self._write(image, seconds)
        if self.caption is not None:
            self._subtitle(image, *self.caption)
        return np.asarray(image)

    def _curve(self, moment: FrameConditions) -> list[int]:
        """A look-up table (768,): white balance, exposure and a film-like shoulder."""
        level = np.arange(256) / 255
        table: list[int] = []
        for cast, tint in zip(self.cast, moment.tint, strict=True):
            value = 1.08 * (1 - np.exp(-1.2 * level * cast * tint * moment.gain))
            value = (value - 0.4) * self.contrast + 0.4
            table += np.clip(value * 255, 0, 255).astype(int).tolist()
        return table

    def _subtitle(self, image: Image.Image, words: str, place: float, style: int) -> None:
        draw = ImageDraw.Draw(image)
        font = ImageFont.load_default(max(self.height // 16, 10))
        wide = draw.textlength(words, font=font)
        x, y = (self.width - wide) / 2, place * self.height
        if style % 2:
            pad = self.height / 80
            box = [x - pad, y - pad, x + wide + pad, y + self.height / 14 + pad]
            draw.rounded_rectangle(
                box, pad * 2, fill=((200, 40, 40), (30, 90, 210), (20, 110, 60))[style % 3]
            )
        draw.text(
            (x, y), words, fill=(255, 255, 255), font=font, stroke_width=1 - style % 2, stroke_fill=(0, 0, 0)
        )

    def _write(self, image: Image.Image, seconds: float) -> None:
        draw = ImageDraw.Draw(image)
        hours, rest = divmod(int(seconds) + 36000, 3600)
        text = f"{self.overlay} {hours % 24:02d}:{rest // 60:02d}:{rest % 60:02d}"
        draw.text((9, 7), text, fill=(0, 0, 0), font=ImageFont.load_default(max(self.height // 28, 9)))
        draw.text((8, 6), text, fill=(255, 255, 255), font=ImageFont.load_default(max(self.height // 28, 9)))


_CAPTIONS = (
    "day two of printing",
    "wait for it",
    "it worked!",
    "oh no",
    "boat no. 40",
    "how it started",
    "live",
    "PLA+",
)


def jpeg(pixels: Pixels, quality: int) -> bytes:
    """JPEG bytes of an RGB picture (H, W, 3), `quality` 1..95."""
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def random_optics(seed: int, width: int, height: int, *, wide: bool = False, plain: bool = False) -> Optics:
    """A camera drawn from the seed; a `plain` one has no dirt, no overlay and little noise."""
    rng = stream(seed, "optics")
    infrared = happens(rng, 0.07) and not plain
    mood = choose(rng, {"neutral": 5.0, "warm": 1.2, "cold": 1.0, "violet": 0.35, "red": 0.15, "green": 0.2})
    casts = {
        "neutral": (1.0, 1.0, 1.0),
        "warm": (1.12, 1.0, 0.78),
        "cold": (0.86, 0.98, 1.14),
        "violet": (1.0, 0.62, 1.25),
        "red": (1.3, 0.45, 0.5),
        "green": (0.85, 1.1, 0.85),
    }
    cast = np.array(casts[mood]) * (1 + rng.normal(0, 0.035, 3))
    barrel = between(rng, 0.12, 0.32) if wide else (between(rng, 0.02, 0.12) if happens(rng, 0.35) else 0.0)
    grain = np.clip(rng.normal(128, 40, (height // 2, width // 2, 3)), 0, 255).astype(np.uint8)
    speckle = Image.fromarray(grain, "RGB").resize((width, height), Image.Resampling.BICUBIC)
    r, g, b = (float(v) for v in cast)
    caption = None
    if happens(rng, 0.05):
        caption = (str(rng.choice(_CAPTIONS)), between(rng, 0.03, 0.85), int(rng.integers(6)))
    overlay = (
        str(rng.choice(["CAM1", "printer", "octopi", "P1", "Cam 2026-01-14"])) if happens(rng, 0.08) else None
    )
    return Optics(
        width,
        height,
        barrel,
        between(rng, 0.2, 1.0) * width / 640
        if not happens(rng, 0.12)
        else between(rng, 1.0, 2.2) * width / 640,
        0.0 if plain else float(np.clip(rng.gamma(1.5, 1.5), 0.4, 12)),
        (r, g, b),
        between(rng, 0.85, 1.3),
        0.0 if infrared else between(rng, 0.45, 1.05),
        between(rng, 40, 160) if happens(rng, 0.4) else 0.0,
        int(rng.integers(45, 92)),
        infrared,
        None if plain else overlay,
        None if plain else caption,
        _veil(rng, width, height, infrared=infrared, plain=plain),
        speckle,
        _barrel_maps(width, height, barrel) if barrel > 0.01 else None,
    )


def _barrel_maps(width: int, height: int, strength: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = (x - width / 2) / (width / 2), (y - height / 2) / (width / 2)
    grow = (1 + strength * (x**2 + y**2)) / (1 + strength)
    column = np.clip(x * grow * width / 2 + width / 2, 0, width - 1)
    row = np.clip(y * grow * width / 2 + height / 2, 0, height - 1)
    return np.round(row).astype(np.intp), np.round(column).astype(np.intp)


def _veil(rng: Rng, width: int, height: int, *, infrared: bool, plain: bool) -> Image.Image:
    """Uneven light, vignetting and dirt as one picture to multiply with."""
    y, x = np.mgrid[0:60, 0:80]
    x, y = x / 79 - 0.5, y / 59 - 0.5
    corner = between(rng, 0.6, 1.3) if infrared else between(rng, 0.05, 0.7)
    field_ = 1 - corner * (x**2 + y**2)
    cx, cy = rng.uniform(-0.5, 0.5, 2)
    field_ = field_ * (1 - between(rng, 0, 0.45) * np.clip(np.hypot(x - cx, y - cy), 0, 1))
    light = np.clip(field_, 0.05, 1) * 255
    image = Image.fromarray(light.astype(np.uint8), "L").resize((width, height), Image.Resampling.BICUBIC)
    if not plain and happens(rng, 0.12):
        draw = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(2, 10))):
            px, py, size = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(3, 30) * width / 640
            draw.ellipse([px - size, py - size, px + size, py + size], fill=int(rng.integers(90, 200)))
        image = image.filter(ImageFilter.GaussianBlur(5 * width / 640))
    return image.convert("RGB")
