"""Places that look like a failure and are known: since the first picture, or because a person said so.

What is known is where it is, how strong and how large, not the whole print: what grows beyond that is new.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from layerwatch.temporal import constants as c
from layerwatch.temporal.places import Half, Logits, Places, with_neighbours

Strengths = NDArray[np.uint8]


class Origin(IntEnum):
    """Why places are marked."""

    START = 1  # the print looked failed in its first picture
    PERSON = 2  # "false alarm" or "resumed"


@dataclass(frozen=True, slots=True)
class Marks:
    """Marked places and their state.

    strengths: uint8 [64] (8 x 8, row-major), highest failure probability of late, 0..255 for 0..1.
    area: lit share of the picture, 0..1, when it was marked; see `places.lit_area`.
    calm_seconds: print time since the places were marked, or grew since the start.
    unlit: pictures in a row in which none of them looked like a failure.
    """

    origin: Origin
    strengths: Strengths
    area: float
    calm_seconds: float = 0.0
    unlit: int = 0

    @classmethod
    def first(cls, seen: Logits | None, area: float) -> Marks:
        """What the first picture of a print shows."""
        return cls(Origin.START, _strengths(seen), area)

    @classmethod
    def by_person(cls, known: Marks | None, places: Places, area: float) -> Marks | None:
        """What was in view of late, and what was marked before. None if nothing looked like a failure.

        area: lit share of the picture, 0..1, the largest of late.
        """
        strengths = _strengths(places.recent.astype(np.float32))
        if known is not None:
            strengths, area = np.maximum(strengths, known.strengths), max(area, known.area)
        if strengths.max() < 255 * c.LIT_PLACE:
            return None
        return cls(Origin.PERSON, strengths, area)

    @property
    def lit(self) -> bool:
        """Whether the marked places still look like a failure."""
        return self.unlit < c.UNLIT_FRAMES

    @property
    def caps_quality(self) -> bool:
        """Whether the print's quality is limited because of them; see `Origin` and `constants`."""
        return self.lit and (self.origin is Origin.PERSON or self.calm_seconds < c.START_CALM_SECONDS)

    def growth(self, seen: Logits | None, area: float, usual: Half) -> float:
        """How much more is seen than is marked, 0 (nothing) to 1 (half as much again, or a new place).

        usual: what the print shows in its places while it goes well, in logits; that is nothing new either.
        """
        if seen is None:
            return 0.0
        known = np.maximum(_shares(self.strengths), _probabilities(usual.astype(np.float32)))
        stronger = float((_probabilities(seen) / np.maximum(with_neighbours(known), c.MIN_MARK)).max())
        larger = area / max(self.area, c.MIN_AREA)
        begins, full = c.GROWTH_RATIO
        return min(max((max(stronger, larger) - begins) / (full - begins), 0.0), 1.0)

    def after(
        self, seen: Logits | None, area: float, usual: Half, probability: float, seconds: float
    ) -> Marks:
        """The same marks after a picture, `seconds` after the last one.

        What looked failed from the start and has grown is marked as it is now; what a person marked is not.
        probability: of a failure in the picture, 0..1.
        """
        lit = probability >= c.LOOKS_FAILED or (seen is not None and self._is_lit(seen))
        unlit = 0 if lit else min(self.unlit + 1, c.UNLIT_FRAMES)
        if self.origin is Origin.START and self.growth(seen, area, usual) >= c.GROWN:
            strengths = np.maximum(self.strengths, _strengths(seen))
            return Marks(self.origin, strengths, max(self.area, area), 0.0, unlit)
        calm = min(self.calm_seconds + seconds, c.MAX_COUNTED_SECONDS)
        return replace(self, calm_seconds=calm, unlit=unlit)

    def moved(self, seen: Logits | None) -> Marks:
        """The same marks in a new scene: what is marked is elsewhere, where something is seen now."""
        return self if seen is None else replace(self, strengths=_strengths(seen))

    def _is_lit(self, seen: Logits) -> bool:
        known = with_neighbours(_shares(self.strengths))
        return bool(((known >= c.LIT_PLACE) & (_probabilities(seen) >= c.LIT_PLACE)).any())


def _probabilities(seen: Logits) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-np.clip(seen, -c.LOGIT_LIMIT, c.LOGIT_LIMIT)))).astype(np.float32)


def _shares(strengths: Strengths) -> NDArray[np.float32]:
    return strengths.astype(np.float32) / np.float32(255)


def _strengths(seen: Logits | None) -> Strengths:
    if seen is None:
        return np.zeros(len(Places.first(None).usual), np.uint8)
    return np.rint(255 * _probabilities(seen)).astype(np.uint8)
