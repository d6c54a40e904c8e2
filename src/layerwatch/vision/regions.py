"""The detector's coarse map to boxes: where a failure is seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerwatch.vision.evidence import KINDS, Box, HeatMap

CELL_THRESHOLD = 0.5
"""A cell belongs to a failure from this probability on."""

PICTURE_THRESHOLD = 0.3
"""Below this failure probability of the whole picture neither boxes nor kinds are given: mere noise."""

PEAK_SHARE = 0.6
"""Where a picture fails and yet no cell reaches `CELL_THRESHOLD`, cells count from this share of its peak."""

MAX_BOXES = 16


def heat_map(cells: NDArray[np.float32]) -> HeatMap:
    """Pack a map, float [rows, columns] of 0..1, into bytes."""
    rows, columns = cells.shape
    return HeatMap(rows, columns, np.rint(cells * 255.0).astype(np.uint8).tobytes())


def find_boxes(cells: NDArray[np.float32], kinds: tuple[float, ...], failure: float) -> tuple[Box, ...]:
    """Boxes around connected hot cells of a map, float [rows, columns] of 0..1; most probable first.

    Cells touch along edges and corners. A box carries its hottest cell's probability and the picture's most
    probable kind (the map does not tell kinds apart).
    """
    if not shows_failure(failure):
        return ()
    threshold = CELL_THRESHOLD
    hottest = float(cells.max())
    if hottest < CELL_THRESHOLD:
        if failure < CELL_THRESHOLD or hottest <= 0.0:
            return ()
        threshold = PEAK_SHARE * hottest
    kind = likely_kind(kinds)
    rows, columns = cells.shape
    boxes = []
    for region in connected(cells >= threshold):
        top, left = min(r for r, _ in region), min(c for _, c in region)
        bottom, right = max(r for r, _ in region) + 1, max(c for _, c in region) + 1
        boxes.append(
            Box(
                kind=kind,
                probability=max(float(cells[place]) for place in region),
                left=left / columns,
                top=top / rows,
                width=(right - left) / columns,
                height=(bottom - top) / rows,
            )
        )
    boxes.sort(key=lambda box: -box.probability)
    return tuple(boxes[:MAX_BOXES])


def shows_failure(failure: float) -> bool:
    """Whether a picture's failure probability is high enough to speak of a place and a kind."""
    return failure >= PICTURE_THRESHOLD


def likely_kind(kinds: tuple[float, ...]) -> str:
    """The most probable of `KINDS`."""
    return KINDS[max(range(len(kinds)), key=kinds.__getitem__)]


def connected(hot: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """Groups of neighbouring true cells (8-connected), as row and column."""
    waiting = {(int(r), int(c)) for r, c in np.argwhere(hot)}
    regions = []
    while waiting:
        frontier = [waiting.pop()]
        region = []
        while frontier:
            r, c = frontier.pop()
            region.append((r, c))
            for place in ((r + dr, c + dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1)):
                if place in waiting:
                    waiting.remove(place)
                    frontier.append(place)
        regions.append(region)
    return regions
