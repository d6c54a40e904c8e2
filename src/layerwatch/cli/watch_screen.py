"""What `layerwatch watch` shows of one print: a live table and the score as a sparkline."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from layerwatch_watcher.watching.conditions import explain
from layerwatch_watcher.watching.print_session import Look

ROWS = 12
_BLOCKS = "▁▂▃▄▅▆▇█"


class Screen(Protocol):
    """Shows each inspection. A context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, look: Look) -> None:
        """Show one more."""
        ...


def as_json(look: Look) -> dict[str, object]:
    """One look as the object that `--json` prints."""
    base: dict[str, object] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "number": look.number,
        "second": round(look.seconds, 1),
    }
    if look.inspection is None:
        trouble = look.trouble
        assert trouble is not None
        return base | {"error": trouble.what, "hint": trouble.hint, "about": trouble.about}
    inspection, detail = look.inspection, look.inspection.detail
    seen = look.condition == "ok"
    return base | {
        "quality": inspection.print_quality if seen else None,
        "score": inspection.score if seen else None,
        "warning": inspection.warning_suggested,
        "pause": inspection.pause_suggested,
        "kind": detail.kind if detail else None,
        "condition": look.condition,
        "next": inspection.next_interval.seconds,
    }


class JsonScreen:
    """One JSON object a line, for scripts."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, look: Look) -> None:
        """Print one object."""
        sys.stdout.write(json.dumps(as_json(look)) + "\n")
        sys.stdout.flush()


class LineScreen(JsonScreen):
    """One plain line a look, for a log or a pipe."""

    def show(self, look: Look) -> None:
        """Print one line."""
        sys.stdout.write(look_line(look) + "\n")
        sys.stdout.flush()


def look_line(look: Look) -> str:
    """One look as plain text."""
    return "  ".join([clock(look.seconds), *(cell.plain for cell in _cells(look))]).rstrip()


class LiveScreen:
    """The last looks in a table that stays in place, and every score so far as a sparkline."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._title = title
        self._looks: deque[Look] = deque(maxlen=ROWS)
        self._scores: deque[int | None] = deque(maxlen=2000)
        self._warned_at: float | None = None
        self._paused_at: float | None = None
        self._live = Live(
            self._render(), console=console, auto_refresh=False, transient=False, vertical_overflow="crop"
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, look: Look) -> None:
        """Add one look and draw again."""
        self._looks.append(look)
        self._scores.append(look.inspection.score if look.inspection and look.condition == "ok" else None)
        if look.inspection and look.inspection.warning_suggested and self._warned_at is None:
            self._warned_at = look.seconds
        if look.inspection and look.inspection.pause_suggested and self._paused_at is None:
            self._paused_at = look.seconds
        self._live.update(self._render(), refresh=True)

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name, justify in (("time", "right"), ("quality", "left"), ("score", "right"), ("says", "left")):
            table.add_column(name, justify=justify, no_wrap=name != "says")  # type: ignore[arg-type]
        for look in self._looks:
            table.add_row(clock(look.seconds), *_cells(look))
        if not self._looks:
            table.add_row("", "", "", Text("taking the first picture…", style="dim"))
        width = max(20, self._live.console.width - 6) if hasattr(self, "_live") else 60
        parts: list[RenderableType] = [table, Text(), sparkline(list(self._scores), width)]
        if self._warned_at is not None:
            parts.append(Text(f"first warning at {clock(self._warned_at)}", style="yellow"))
        if self._paused_at is not None:
            parts.append(Text(f"first pause suggestion at {clock(self._paused_at)}", style="bold red"))
        return Panel(Group(*parts), title=self._title, title_align="left", border_style="dim")


def _cells(look: Look) -> list[Text]:
    inspection = look.inspection
    if inspection is None:
        trouble = look.trouble
        assert trouble is not None
        said = trouble.what + (f" ({trouble.hint})" if trouble.hint else "")
        return [Text("—", style="dim"), Text("—", style="dim"), Text(said, style="yellow")]
    if look.condition != "ok" and not inspection.warning_suggested:
        return [Text("—", style="dim"), Text("—", style="dim"), Text(_not_seen(look), style="magenta")]
    style = "green" if inspection.print_quality >= 6 else "yellow" if inspection.print_quality >= 4 else "red"
    bar = "█" * inspection.print_quality + "·" * (10 - inspection.print_quality)
    return [
        Text(f"{inspection.print_quality:2d} {bar}", style=style),
        Text(f"{inspection.score:3d}", style=style),
        _says(look),
    ]


def _says(look: Look) -> Text:
    inspection = look.inspection
    assert inspection is not None
    detail = inspection.detail
    text = Text()
    if inspection.pause_suggested:
        text.append("PAUSE", style="bold white on red")
    elif inspection.warning_suggested:
        text.append("warning", style="bold black on yellow")
    else:
        text.append(quality_word(inspection.print_quality))
    if detail and detail.kind and inspection.print_quality <= 5:
        text.append(f" {detail.kind.replace('_', ' ')}", style="bold")
    return text


def _not_seen(look: Look) -> str:
    return f"not seen: {explain(look.condition)[0]}"


def quality_word(quality: int) -> str:
    """A quality in the contract's words."""
    words = {1: "failure", 2: "probable failure", 3: "possible failure", 10: "perfect"}
    if quality in words:
        return words[quality]
    return "watching a possible issue" if quality <= 5 else "good" if quality <= 7 else "great"


def clock(seconds: float) -> str:
    """Seconds as H:MM:SS."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def sparkline(scores: list[int | None], width: int) -> Text:
    """Scores 0..100 as blocks, coloured by the quality they stand for; None (no inspection) is a gap.

    More scores than `width` are put together, the highest of each group standing for it: a failure
    never vanishes from the line by being narrow.
    """
    if not scores:
        return Text(" ")
    group = -(-len(scores) // width)
    text = Text()
    for start in range(0, len(scores), group):
        known = [score for score in scores[start : start + group] if score is not None]
        if not known:
            text.append("·", style="dim")
            continue
        top = max(known)
        style = "green" if top <= 37 else "yellow" if top <= 49 else "red"
        text.append(_BLOCKS[min(7, top * 8 // 101)], style=style)
    return text
