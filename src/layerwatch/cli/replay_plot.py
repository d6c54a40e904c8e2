"""A print's course as one picture: a strip of frames, the score over quality's bands, warning, pause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from layerwatch.temporal import Verdict
from layerwatch.temporal.constants import QUALITY_SCORES
from layerwatch.vision import Condition, Evidence

WIDTH, STRIP, CHART, MARGIN = 1280, 112, 320, 48
PICTURES = 9
_INK, _GRID, _PAPER = (32, 36, 42), (214, 218, 224), (255, 255, 255)
_SCORE, _SEEN = (20, 60, 160), (150, 170, 205)
_WARNING, _PAUSE, _TRUTH, _UNFIT = (240, 170, 40), (208, 40, 40), (120, 40, 140), (225, 225, 225)
_HIGHEST = dict(zip(range(10, 1, -1), QUALITY_SCORES, strict=True))
_BANDS = (  # quality and its colour, from its highest score (per cent) down
    ("1 failure", 100, (252, 218, 214)),
    ("2 probable", _HIGHEST[2], (253, 229, 221)),
    ("3 possible", _HIGHEST[3], (254, 238, 224)),
    ("4-5 watching", _HIGHEST[4], (255, 248, 224)),
    ("6-10 good", _HIGHEST[6], (235, 247, 235)),
)


@dataclass(frozen=True, slots=True)
class Point:
    """One picture of the print and what was said after it."""

    second: float
    small: Image.Image
    verdict: Verdict
    evidence: Evidence


def draw(points: Sequence[Point], title: str, onset: float | None = None) -> Image.Image:
    """The chart, RGB. onset: the true beginning of the failure in seconds, drawn as a line."""
    image = Image.new("RGB", (WIDTH, STRIP + CHART + 3 * MARGIN), _PAPER)
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(14)
    canvas.text((MARGIN, 14), title, _INK, font)
    _strip(image, points)
    top, bottom = STRIP + 2 * MARGIN, STRIP + 2 * MARGIN + CHART
    last = max(points[-1].second, 1.0)

    def x(second: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * second / last

    def y(score: float) -> float:
        return bottom - CHART * score / 100

    for (name, high, colour), low in zip(_BANDS, (*(band[1] for band in _BANDS[1:]), 0), strict=True):
        canvas.rectangle((MARGIN, y(high), WIDTH - MARGIN, y(low)), colour)
        canvas.text((WIDTH - MARGIN - 92, y(high) + 2), name, (120, 120, 120), ImageFont.load_default(11))
    steps = [*points[1:], points[-1]]
    for point, after in zip(points, steps, strict=True):
        if point.verdict.condition is not Condition.OK:
            canvas.rectangle(
                (x(point.second), bottom - 8, max(x(after.second), x(point.second) + 1), bottom), _UNFIT
            )
    for marked, colour, name in (
        (_first(points, "warning"), _WARNING, "warning"),
        (_first(points, "pause"), _PAUSE, "pause"),
    ):
        if marked is not None:
            _mark(
                canvas,
                x(marked),
                (top, bottom),
                colour,
                f"{name} {marked:.0f} s",
                0 if name == "warning" else 16,
            )
    if onset is not None:
        _mark(canvas, x(min(onset, last)), (top, bottom), _TRUTH, f"fails {onset:.0f} s", 32)
    seen = [(x(p.second), y(100 * p.evidence.failure_probability)) for p in points]
    canvas.line(seen, _SEEN, 1)
    canvas.line([(x(p.second), y(p.verdict.score)) for p in points], _SCORE, 3, joint="curve")
    for value in (0, 50, 100):
        canvas.text((14, y(value) - 8), f"{value}", _INK, font)
    for share in range(6):
        second = last * share / 5
        canvas.line((x(second), bottom, x(second), bottom + 5), _INK)
        canvas.text((x(second) - 18, bottom + 8), f"{second / 60:.0f} min", _INK, font)
    legend = (
        "thick: score of the print   thin: what the detector saw in the picture   grey: picture not judged"
    )
    canvas.text((MARGIN, bottom + 26), legend, (110, 110, 110), ImageFont.load_default(12))
    return image


def _strip(image: Image.Image, points: Sequence[Point]) -> None:
    """Frames from the whole print, evenly, above the time at which they were taken."""
    width = (WIDTH - 2 * MARGIN) // PICTURES
    count = min(PICTURES, len(points))
    for place in range(count):
        point = points[round(place * (len(points) - 1) / max(count - 1, 1))]
        image.paste(point.small, (MARGIN + place * width, MARGIN))


def _first(points: Sequence[Point], flag: str) -> float | None:
    return next((point.second for point in points if getattr(point.verdict, flag)), None)


def _mark(
    canvas: ImageDraw.ImageDraw,
    x: float,
    span: tuple[int, int],
    colour: tuple[int, int, int],
    text: str,
    down: int,
) -> None:
    canvas.line((x, span[0], x, span[1]), colour, 2)
    left = min(x + 4, WIDTH - MARGIN - 190)
    canvas.text((left, span[0] + 2 + down), text, colour, ImageFont.load_default(13))
