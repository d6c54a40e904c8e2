"""A simulated surge as one picture: calls, use, and intervals over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from layerwatch.fleet.simulation import Result

WIDTH, CHART, MARGIN = 1280, 230, 56
_INK, _GRID, _PAPER = (32, 36, 42), (222, 226, 231), (255, 255, 255)
_COLOURS = ((20, 60, 160), (208, 90, 30), (30, 130, 80), (120, 40, 140), (90, 90, 90), (170, 140, 20))
_THROTTLED = (208, 40, 40)

Line = tuple[str, tuple[int, int, int], npt.NDArray[np.float64]]


def draw(result: Result, title: str) -> Image.Image:
    """The chart, RGB: three panels over the same seconds."""
    image = Image.new("RGB", (WIDTH, 3 * (CHART + MARGIN) + MARGIN), _PAPER)
    canvas = ImageDraw.Draw(image)
    canvas.text((MARGIN, 14), title, _INK, ImageFont.load_default(16))
    sites = result.scenario.sites
    colour = [_COLOURS[number % len(_COLOURS)] for number in range(len(sites))]
    capacity = np.array([site.capacity for site in sites])
    use: list[Line] = [
        (site.name, colour[number], result.answered[:, number] / capacity[number])
        for number, site in enumerate(sites)
    ]
    intervals: list[Line] = [
        (site.name, colour[number], result.intervals[:, number]) for number, site in enumerate(sites)
    ]
    calls: list[Line] = [
        ("calls", _COLOURS[0], result.called.sum(axis=1)),
        ("throttled", _THROTTLED, result.throttled.sum(axis=1)),
    ]
    for number, (name, lines) in enumerate(
        (
            ("Calls a second, all regions", calls),
            ("Answered calls as a share of the region's capacity", use),
            ("Mean interval of healthy prints, seconds", intervals),
        )
    ):
        _panel(canvas, MARGIN + number * (CHART + MARGIN), name, lines)
    return image


def _panel(canvas: ImageDraw.ImageDraw, top: int, name: str, lines: Sequence[Line]) -> None:
    font = ImageFont.load_default(12)
    bottom, right = top + CHART, WIDTH - MARGIN
    most = max(1e-9, max(float(np.nanmax(values)) for _, _, values in lines)) * 1.05
    seconds = len(lines[0][2])
    canvas.text((MARGIN, top - 18), name, _INK, font)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - CHART * share
        canvas.line((MARGIN, y, right, y), _GRID)
        canvas.text((6, y - 7), f"{most * share:,.3g}", _INK, ImageFont.load_default(11))
    for second in range(0, seconds, 300):
        x = MARGIN + (right - MARGIN) * second / seconds
        canvas.line((x, top, x, bottom), _GRID)
        canvas.text((x + 2, bottom + 2), f"{second} s", _INK, ImageFont.load_default(11))
    for number, (label, colour, values) in enumerate(lines):
        canvas.text((right - 110 * (len(lines) - number), top - 18), label, colour, font)
        points = [
            (MARGIN + (right - MARGIN) * second / seconds, bottom - CHART * value / most)
            for second, value in enumerate(values)
            if not np.isnan(value)
        ]
        if len(points) > 1:
            canvas.line(points, colour, 1)
