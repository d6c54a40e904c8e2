"""Where a view of a bed shows what the empty bed does not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerwatch.vision.bed_light import Planes, rgb_of

# Chosen on 60 pictures of other real scenes, with pasted left-overs and copies as in `evaluate-beds`, and on
# 8 rendered printers (seeds 7000000 and on), `UNSURE_LIGHT` after results on 20 others; see docs/memory.md.

TOLERANCE = np.array([9.0, 5.0, 5.0], np.float32)
"""Levels (luma, Cb, Cr) by which a cell may be beyond its neighbours' range in a perfectly steady scene."""

SPREADS = 3.0
"""… and by so many times its usual distance from the mean."""

UNSURE_LIGHT = 0.5
"""Share of the light's correction that may be wrong in a cell: two lamps seldom change alike."""

BLOWN_LEVEL, BRIGHT_LEVEL = 245.0, 180.0
"""Of 255: a value is blown out from the first on, and bright from the second on."""

MIN_CORRELATION = 0.35
"""Of the edges of what did not change. The same bed without anything on it: 0.79 and more; with a left-over
that hides most of it: from 0.34. A camera that moved by a sixteenth of the picture: mostly 0.33 or less."""

EDGE_LEVELS, PLAIN_LEVELS = 20.0, 1.5
"""Edges count up to the first; a picture whose edges are weaker than the second is too plain to compare."""

MIN_KEPT_SHARE = 0.1
"""Of the cells; where less is left unchanged it is another scene."""


def changed_cells(
    known: Planes, spread: NDArray[np.float32], seen: Planes, fitted: Planes
) -> NDArray[np.bool_]:
    """Cells [rows, columns] that are beyond what they and the cells around them may show.

    spread: [rows, columns], how far each cell usually is from `known`, levels.  fitted: `seen`, in the light
    of `known`. The differences of luma and colour are combined as a length, and its mean over 3 x 3 cells
    must exceed 1: a left-over is off in all of its cells, noise and an edge that moved only in some.
    """
    allowed = around(np.maximum, spread)
    beyond = np.zeros(known.shape, np.float32)
    unsure = fitted + UNSURE_LIGHT * (seen - fitted)
    least, most = np.minimum(fitted, unsure), np.maximum(fitted, unsure)
    for at, (plane, tolerance) in enumerate(zip(known, TOLERANCE, strict=True)):
        low, high = around(np.minimum, plane), around(np.maximum, plane)
        off = np.maximum(np.maximum(low - most[at], least[at] - high), 0)
        beyond[at] = off / (tolerance + SPREADS * allowed)
    beyond[1:, _clipped(rgb_of(known), rgb_of(seen))] = 0
    length = np.sqrt((beyond**2).sum(axis=0))
    length[_clipped(known[:1], seen[:1])] = 0
    length[[0, -1], :] = length[:, [0, -1]] = 0  # a camera that shakes shows something else at the border
    return _mean_around(length) > 1


def is_same_scene(known: Planes, fitted: Planes, changed: NDArray[np.bool_]) -> bool:
    """Whether what did not change has the structure of the known bed: its edges are where they were.

    Where the camera moved they are not, however much of the picture happens to have the right brightness.
    """
    apart = changed.astype(np.float32)
    apart[[0, -1], :] = apart[:, [0, -1]] = 1
    kept = around(np.maximum, around(np.maximum, apart)) == 0
    if kept.mean() < MIN_KEPT_SHARE:
        return False
    one, other = _edges(known[0])[kept], _edges(fitted[0])[kept]
    one, other = one - one.mean(), other - other.mean()
    energy = float((one**2).mean() * (other**2).mean()) ** 0.5
    together = float((one * other).mean())
    return bool(energy < PLAIN_LEVELS**2 or together >= MIN_CORRELATION * energy)


def _edges(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far each cell is from the mean of the 7 x 7 around it, limited so that no single edge decides."""
    rows, columns = luma.shape
    padded = np.pad(luma, 3, mode="edge").cumsum(axis=0).cumsum(axis=1)
    sums = np.pad(padded, ((1, 0), (1, 0)))
    mean = (sums[7:, 7:] - sums[:rows, 7:] - sums[7:, :columns] + sums[:rows, :columns]) / 49
    edges: NDArray[np.float32] = np.clip(luma - mean, -EDGE_LEVELS, EDGE_LEVELS)
    return edges


def around(extreme: np.ufunc, plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each cell's extreme with its eight neighbours: a camera is never still to the pixel."""
    padded = np.pad(plane, 1, mode="edge")
    across = extreme(extreme(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    result: NDArray[np.float32] = extreme(extreme(across[:-2], across[1:-1]), across[2:])
    return result


def _mean_around(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = np.pad(plane, 1, mode="edge")
    across = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    result: NDArray[np.float32] = (across[:-2] + across[1:-1] + across[2:]) / 9
    return result


def _clipped(known: Planes, seen: Planes) -> NDArray[np.bool_]:
    """Cells in or beside a highlight in which a plane is blown out in one picture and bright in the other:
    how bright it really is, and so its colour, cannot be seen.
    """
    blown = (np.maximum(known, seen) >= BLOWN_LEVEL) & (np.minimum(known, seen) >= BRIGHT_LEVEL)
    beside: NDArray[np.float32] = blown.astype(np.float32).max(axis=0)
    return around(np.maximum, beside) > 0
