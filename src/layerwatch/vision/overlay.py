"""Draws evidence over its picture: the heat map, the boxes, and one line of text."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from layerwatch.vision.evidence import Condition, Evidence, HeatMap
from layerwatch.vision.jpeg.decoder import decode_jpeg, turn_upright
from layerwatch.vision.regions import likely_kind

WIDTH = 960
"""Width of the drawn picture, in pixels, or the picture's own where that is less."""

MAX_OPACITY = 0.6
"""Opacity of a cell of probability 1; it falls with the probability, so healthy places stay as they are."""

_COLD, _HOT, _BOX = (255, 214, 64), (214, 0, 38), (255, 255, 255)


def draw_overlay(jpeg: bytes, evidence: Evidence) -> bytes:
    """A JPEG of the picture with its evidence over it. Raises ImageDecodeError as `decode_jpeg` does."""
    decoded = decode_jpeg(jpeg, at_least=WIDTH // 2)
    picture = turn_upright(Image.fromarray(decoded.pixels), decoded.orientation)
    if picture.width > WIDTH:
        height = max(1, round(picture.height * WIDTH / picture.width))
        picture = picture.resize((WIDTH, height), Image.Resampling.BILINEAR)
    colour, opacity = _heat_layers(evidence.heat, picture.size)
    picture.paste(colour, mask=opacity)
    _draw_boxes(picture, evidence)
    _draw_caption(picture, evidence)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()


def _heat_layers(heat: HeatMap, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Colour and opacity of the heat map at the picture's size, smooth between cells' centres."""
    cells = np.frombuffer(heat.cells, np.uint8).reshape(heat.rows, heat.columns)
    grey = Image.fromarray(cells).resize(size, Image.Resampling.BILINEAR)
    ramp = np.linspace(0.0, 1.0, 256)[:, None]
    palette = ((1 - ramp) * np.array(_COLD) + ramp * np.array(_HOT)).astype(np.uint8)
    opacity: NDArray[np.uint8] = (np.asarray(grey) * MAX_OPACITY).astype(np.uint8)
    return Image.fromarray(palette[np.asarray(grey)]), Image.fromarray(opacity)


def _draw_boxes(picture: Image.Image, evidence: Evidence) -> None:
    draw = ImageDraw.Draw(picture)
    font = _font(picture)
    for box in evidence.boxes:
        left, top = box.left * picture.width, box.top * picture.height
        right, bottom = left + box.width * picture.width - 1, top + box.height * picture.height - 1
        draw.rectangle((left, top, right, bottom), outline=_BOX, width=2)
        _text(draw, (left + 4, top + 3), f"{_words(box.kind)} {box.probability:.0%}", font)


def _draw_caption(picture: Image.Image, evidence: Evidence) -> None:
    parts = [f"failure {evidence.failure_probability:.1%}"]
    if evidence.boxes:
        parts.append(_words(likely_kind(evidence.kinds)))
    if evidence.condition is not Condition.OK:
        parts.append(f"picture: {_words(evidence.condition)}")
    font = _font(picture)
    _text(ImageDraw.Draw(picture), (8, picture.height - 1.8 * font.size), "  ".join(parts), font)


def _text(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, font: ImageFont.FreeTypeFont
) -> None:
    draw.text(at, text, fill=(255, 255, 255), font=font, stroke_width=2, stroke_fill=(0, 0, 0))


def _font(picture: Image.Image) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=max(10, picture.width // 50))
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's wheels carry FreeType
    return font


def _words(name: str) -> str:
    return name.replace("_", " ")
