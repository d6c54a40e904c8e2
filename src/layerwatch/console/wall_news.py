"""What changed on a page of the wall.

`cards` (id → HTML of those that changed), and if they changed `frame` (HTML with a `template` in each card's
place), `bar` (HTML of counts and paging) and `failing` (how many prints fail in the whole account).
"""

from __future__ import annotations

from typing import Any, Protocol

from layerwatch.console.live_prints import LivePrint
from layerwatch.console.wall import Wall, WallFilter, wall_of


class PartRenderer(Protocol):
    """Makes the HTML of a wall's parts, for one reader."""

    def card(self, one: LivePrint) -> str: ...

    def frame(self, wall: Wall) -> str: ...

    def bar(self, wall: Wall) -> str: ...


class WallNews:
    """For one reader, who has seen what was returned before."""

    def __init__(self, view: WallFilter, renderer: PartRenderer) -> None:
        self._view = view
        self._renderer = renderer
        self._shown: tuple[LivePrint, ...] | None = None
        self._cards: dict[str, str] = {}
        self._parts: dict[str, Any] = {}

    def of(self, prints: tuple[LivePrint, ...]) -> dict[str, Any] | None:
        if prints is self._shown:
            return None
        self._shown = prints
        wall, render = wall_of(prints, self._view), self._renderer
        cards = {one.id: one for one in wall.prints}
        changed = {id: render.card(one) for id, one in cards.items() if self._cards.get(id) != one.key}
        self._cards = {id: one.key for id, one in cards.items()}
        parts = {"frame": render.frame(wall), "bar": render.bar(wall), "failing": wall.counts.failing}
        news = {name: part for name, part in parts.items() if self._parts.get(name) != part}
        self._parts = parts
        return {"cards": changed, **news}
