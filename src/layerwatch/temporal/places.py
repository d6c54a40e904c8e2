"""Where in the picture: the detector's heat map on a coarse grid, against what is usual in each place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerwatch.temporal import constants as c
from layerwatch.vision.evidence import HeatMap

Logits = NDArray[np.float32]
Half = NDArray[np.float16]

GRID = 8
PLACES = GRID * GRID

_PROBABILITIES = np.clip(np.arange(256) / 255, 1e-4, 1 - 1e-4)
# Limited like the picture's own: next to 0 and 1 a byte is too coarse to tell a change from its rounding.
_BYTE_LOGITS: Logits = np.clip(
    np.log(_PROBABILITIES / (1 - _PROBABILITIES)), -c.LOGIT_LIMIT, c.LOGIT_LIMIT
).astype(np.float32)
_PADDED = GRID + 2


@dataclass(frozen=True, slots=True)
class Places:
    """Half floats of shape [64] (8 x 8, row-major), in logits.

    usual: the upper envelope of what a healthy print shows here.  recent: the highest of late, decaying; what
    `false_alarm` and `resumed` teach.
    """

    usual: Half
    recent: Half

    @classmethod
    def first(cls, seen: Logits | None) -> Places:
        """What is there from the start is scenery."""
        if seen is None:
            seen = np.full(PLACES, c.PLACE_FLOOR, np.float32)
        half = seen.astype(np.float16)
        return cls(half, half)

    def excess(self, seen: Logits) -> float:
        """The most that any place stands above what is usual there and next to it, in logits."""
        around = with_neighbours(self.usual.astype(np.float32))
        return float((seen - np.maximum(around, c.PLACE_FLOOR)).max())

    def learn(self, seen: Logits, healthy: float, frames: int, relief: bool) -> Places:
        """What was seen of a print that is healthy with this probability, after `frames` others.

        Upwards quickly, most so at first, when few places have shown what they can. Downwards slowly, but
        quickly if the picture as a whole is a `relief` after what went before.
        """
        usual = self.usual.astype(np.float32)
        usual = np.maximum(usual, np.minimum(seen, c.PLACE_FLOOR))  # what lies below is no sight of a failure
        off = seen - usual
        up = max(c.PLACE_LEARN_UP, c.PLACE_FIRST_FRAMES / (frames + c.PLACE_FIRST_FRAMES))
        down = c.PLACE_RELIEF if relief else c.PLACE_LEARN_DOWN
        usual += np.where(off > 0, healthy * up, healthy * down) * off
        recent = np.maximum(seen, self.recent - np.float16(c.RECENT_DECAY))
        return Places(usual.astype(np.float16), recent.astype(np.float16))

    def moved(self, seen: Logits | None, healthy: float) -> Places:
        """In a new scene everything is elsewhere: what is seen is usual, as far as the print is healthy."""
        if seen is None:
            return self
        usual = self.usual.astype(np.float32)
        return Places((usual + healthy * (seen - usual)).astype(np.float16), seen.astype(np.float16))

    def relit(self, seen: Logits | None, share: float) -> Places:
        """In another light what is seen may be scenery: places rise by this share of the way, none falls."""
        if seen is None:
            return self
        usual = self.usual.astype(np.float32)
        return Places((usual + share * np.maximum(seen - usual, 0.0)).astype(np.float16), self.recent)

    def accept(self) -> Places:
        """Whatever was to be seen of late is usual from now on."""
        return Places(np.maximum(self.usual, self.recent), self.recent)


def place_logits(heat: HeatMap) -> Logits | None:
    """The heat map's largest logit in each of 8 x 8 places, shape [64]; None if there is no usable map."""
    rows, columns = heat.rows, heat.columns
    if rows < 1 or columns < 1 or len(heat.cells) != rows * columns:
        return None
    cells = np.frombuffer(heat.cells, np.uint8).reshape(rows, columns)
    return _BYTE_LOGITS[_to_grid(_to_grid(cells).T).T.reshape(PLACES)]


def lit_area(heat: HeatMap) -> float:
    """Share of the picture that looks like a failure, 0..1, each cell counted by its probability."""
    cells = np.frombuffer(heat.cells, np.uint8)
    lit = cells[cells >= 255 * c.LIT_PLACE]
    return float(lit.sum(dtype=np.int64)) / (255 * len(cells)) if len(cells) else 0.0


def with_neighbours(places: Logits) -> Logits:
    """Each place's maximum with its eight neighbours: scenery on a moving bed does not stay in its place."""
    padded = np.full((_PADDED, _PADDED), -np.inf, np.float32)
    padded[1:-1, 1:-1] = places.reshape(GRID, GRID)
    across = np.maximum(np.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    highest: Logits = np.maximum(np.maximum(across[:-2], across[1:-1]), across[2:])
    return highest.reshape(PLACES)


def _to_grid(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows pooled (by maximum) or repeated to eight."""
    rows = cells.shape[0]
    starts = np.arange(GRID) * rows // GRID
    pooled: NDArray[np.uint8] = cells
    if rows < GRID:
        pooled = cells[starts]
    elif rows > GRID:
        pooled = np.maximum.reduceat(cells, starts, axis=0)
    return pooled
