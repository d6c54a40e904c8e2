"""A print's quality over time as SVG, drawn by the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from layerwatch.core.languages import gettext as _
from layerwatch.prints.moments import Moment
from layerwatch.vision.evidence import Condition

WIDTH, HEIGHT = 900.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 38.0, 8.0, 22.0, 30.0
MAX_POINTS = 240
"""Points of the line: each is the worst quality of its share of the time."""
MAX_LINKS = 96
_TICKS = (60, 300, 600, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 48 * 3600)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something to see at a place of the time axis. width: 0 for a moment."""

    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class ShareStep:
    """A share of the time that a reader can choose."""

    x: float
    width: float
    second: int
    title: str


@dataclass(frozen=True, slots=True)
class CourseChart:
    """What `_course.html` draws. line: the points of a polyline."""

    line: str
    ticks: Sequence[tuple[float, str]]
    levels: Sequence[tuple[float, int]]
    warnings: Sequence[Mark]
    pauses: Sequence[Mark]
    halts: Sequence[Mark]
    unjudged: Sequence[Mark]
    said: Sequence[Mark]
    steps: Sequence[ShareStep]
    cursor: float | None
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM
    suspicious: float = 0.0
    failing: float = 0.0


def course_chart(
    course: Sequence[Moment], said: Sequence[tuple[float, str]] = (), at: Moment | None = None
) -> CourseChart:
    """The chart of a course, which is not empty. said: seconds and words of feedback.  at: the chosen one."""
    begin, end = course[0].second, max(course[-1].second, course[0].second + 60)

    def x(second: float) -> float:
        share = (min(max(second, begin), end) - begin) / (end - begin)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def marks(holds: Iterable[bool], title: str) -> list[Mark]:
        return [
            Mark(x(first.second), round(max(2.0, x(last.second) - x(first.second)), 1), title)
            for first, last in _runs(course, holds)
        ]

    points = _worst_of(course, begin, end, MAX_POINTS)
    choices = _worst_of(course, begin, end, MAX_LINKS)
    width = (WIDTH - LEFT - RIGHT) / MAX_LINKS
    step = next((one for one in _TICKS if (end - begin) / one <= 5), _TICKS[-1])
    return CourseChart(
        line=" ".join(f"{x(one.second)},{_y(one.quality)}" for one in points),
        ticks=[(x(second), span(second)) for second in range(-(-begin // step) * step, end + 1, step)],
        levels=[(_y(quality), quality) for quality in (10, 7, 4, 1)],
        warnings=marks((one.warning and not one.pause for one in course), _("Warning")),
        pauses=marks((one.pause for one in course), _("Pause suggested")),
        halts=marks((one.halted for one in course), _("Paused, says the printer")),
        unjudged=marks((one.condition is not Condition.OK for one in course), _("Not judged")),
        said=[Mark(x(second), 0.0, words) for second, words in said],
        steps=[
            ShareStep(
                round(max(LEFT, x(one.second) - width / 2), 1),
                round(width, 1),
                one.second,
                _("%(time)s: quality %(quality)s", time=span(one.second), quality=one.quality),
            )
            for one in choices
        ],
        cursor=None if at is None else x(at.second),
        suspicious=_y(5.5),
        failing=_y(3.5),
    )


def span(seconds: float) -> str:
    """A time of the print: 45 s, 12 min, 3 h 05."""
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02}"


def _y(quality: float) -> float:
    return round(TOP + (10 - quality) / 9 * (HEIGHT - TOP - BOTTOM), 1)


def _worst_of(course: Sequence[Moment], begin: int, end: int, most: int) -> list[Moment]:
    """One moment, the worst, of each of `most` shares of the time; and always the last one."""
    if len(course) <= most:
        return list(course)
    worst: dict[int, Moment] = {}
    for one in course:
        share = min(most - 1, (one.second - begin) * most // max(1, end - begin))
        if share not in worst or one.quality < worst[share].quality:
            worst[share] = one
    chosen = list(worst.values())
    return chosen if chosen[-1] is course[-1] else [*chosen[:-1], course[-1]]


def _runs(course: Sequence[Moment], holds: Iterable[bool]) -> list[tuple[Moment, Moment]]:
    """First and last moment of each time for which it holds."""
    runs: list[tuple[Moment, Moment]] = []
    inside = False
    for one, there in zip(course, holds, strict=True):
        if there and inside:
            runs[-1] = (runs[-1][0], one)
        elif there:
            runs.append((one, one))
        inside = there
    return runs
