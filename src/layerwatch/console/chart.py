"""A bar chart as SVG: no script, no library, sharp at every size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layerwatch.core.languages import number

WIDTH, HEIGHT = 900.0, 220.0
LEFT, BOTTOM, TOP = 56.0, 24.0, 10.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its position and size in the drawing, and its tooltip."""

    x: float
    y: float
    width: float
    height: float
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the grid, and the value it stands for."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What `_chart.html` draws."""

    bars: Sequence[Bar]
    grid: Sequence[Line]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT


def bar_chart(values: Sequence[tuple[str, int]], unit: str) -> Chart:
    """Bars of (label, value), values 0 or more, on a grid of round numbers."""
    top = _round_up(max((value for _, value in values), default=0))
    room = HEIGHT - BOTTOM - TOP
    step = (WIDTH - LEFT) / max(1, len(values))
    bars = []
    for place, (label, value) in enumerate(values):
        height = room * value / top
        bars.append(
            Bar(
                x=round(LEFT + place * step + step * 0.15, 2),
                y=round(TOP + room - height, 2),
                width=round(step * 0.7, 2),
                height=round(height, 2),
                label=label if len(values) < 16 or place % 2 == 0 else "",
                title=f"{label}: {number(value)} {unit}",
            )
        )
    grid = [Line(round(TOP + room * (1 - part / 4), 2), _short(top * part / 4)) for part in range(5)]
    return Chart(bars, grid)


def _round_up(value: int) -> int:
    """The next of 4, 8, 12, 16, 20, 24, 28, 32, 40, 80, …: quarters of it are round."""
    size = 4
    while True:
        for factor in range(1, 9):
            if size * factor >= value:
                return size * factor
        size *= 10


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
