"""Charts of a key's calls as SVG: how many succeeded and failed, and how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import number
from layerwatch.keys.request_history import CallCounts
from layerwatch.keys.request_repository import LATENCY_BOUNDS_MS

WIDTH, HEIGHT = 600.0, 150.0
BOTTOM, TOP, LEFT = 22.0, 8.0, 40.0
_ROOM = HEIGHT - BOTTOM - TOP


@dataclass(frozen=True, slots=True)
class Column:
    """One stretch of time: where it is, the height of its parts, and what a pointer over it shows."""

    x: float
    width: float
    good: float
    bad: float
    p50: float | None
    p95: float | None
    label: str
    title: str

    @property
    def middle(self) -> float:
        """Where its label is centred."""
        return round(self.x + self.width / 2, 2)


@dataclass(frozen=True, slots=True)
class CallCharts:
    """What `_call_charts.html` draws. most: calls in one column.  marks: latencies in ms and heights."""

    columns: Sequence[Column]
    most: int
    marks: Sequence[tuple[int, float]]
    width: float = WIDTH
    height: float = HEIGHT
    top: float = TOP
    left: float = LEFT
    base: float = HEIGHT - BOTTOM


def call_charts(counts: Sequence[CallCounts], *, by_day: bool) -> CallCharts:
    """Charts of these stretches of time, oldest first."""
    most = max(1, *(one.calls for one in counts))
    step = (WIDTH - LEFT) / len(counts)
    columns = []
    for place, one in enumerate(counts):
        named = f"{one.begin:%a %d}" if by_day else f"{one.begin:%H}:00"
        p50, p95 = one.quantile_ms(0.5), one.quantile_ms(0.95)
        errors = ", ".join(f"{number(count)} {kind}" for kind, count in one.errors.most_common(4))
        columns.append(
            Column(
                x=round(LEFT + place * step + 0.14 * step, 2),
                width=round(0.72 * step, 2),
                good=round(_ROOM * one.succeeded / most, 2),
                bad=round(_ROOM * one.failed / most, 2),
                p50=_height(p50) if one.calls else None,
                p95=_height(p95) if one.calls else None,
                label=named if by_day or place % 4 == 0 else "",
                title=_(
                    "%(time)s: %(calls)s calls, %(errors)s; half %(half)s, 95 %% %(most)s",
                    time=named,
                    calls=number(one.calls),
                    errors=errors or _("no errors"),
                    half=_said(p50, one),
                    most=_said(p95, one),
                ),
            )
        )
    return CallCharts(columns, most, [(bound, _height(bound)) for bound in LATENCY_BOUNDS_MS])


def _height(bound: int | None) -> float:
    """The height of a latency: its bounds are evenly spaced, longer ones at the top."""
    place = len(LATENCY_BOUNDS_MS) if bound is None else LATENCY_BOUNDS_MS.index(bound)
    return round(_ROOM * (place + 1) / (len(LATENCY_BOUNDS_MS) + 1), 2)


def _said(bound: int | None, counts: CallCounts) -> str:
    if not counts.calls:
        return "–"  # noqa: RUF001
    if bound is None:
        return _("over %(ms)s ms", ms=number(LATENCY_BOUNDS_MS[-1]))
    return _("within %(ms)s ms", ms=number(bound))
