"""From the detector's map to boxes."""

from __future__ import annotations

import numpy as np
import pytest

from layerwatch.vision import KINDS
from layerwatch.vision.regions import MAX_BOXES, find_boxes, heat_map

SPAGHETTI = tuple(1.0 if kind == "spaghetti" else 0.0 for kind in KINDS)
DETACHED = tuple(0.7 if kind == "detachment" else 0.2 for kind in KINDS)


def cells(rows: int, columns: int, hot: dict[tuple[int, int], float]) -> np.ndarray:
    grid = np.full((rows, columns), 0.05, dtype=np.float32)
    for place, probability in hot.items():
        grid[place] = probability
    return grid


def test_one_hot_region_is_one_box_in_fractions_of_the_picture() -> None:
    (box,) = find_boxes(cells(10, 20, {(2, 4): 0.8, (2, 5): 0.9, (3, 4): 0.7}), SPAGHETTI, 0.9)
    assert (box.left, box.top, box.width, box.height) == pytest.approx((0.2, 0.2, 0.1, 0.2))
    assert box.probability == pytest.approx(0.9)
    assert box.kind == "spaghetti"


def test_cells_that_touch_at_a_corner_belong_together() -> None:
    (box,) = find_boxes(cells(10, 10, {(1, 1): 0.8, (2, 2): 0.8, (3, 1): 0.8}), SPAGHETTI, 0.9)
    assert (box.left, box.top, box.width, box.height) == pytest.approx((0.1, 0.1, 0.2, 0.3))


def test_regions_apart_are_boxes_of_their_own_most_probable_first() -> None:
    boxes = find_boxes(cells(10, 10, {(0, 0): 0.6, (9, 9): 0.95, (5, 0): 0.7}), DETACHED, 0.9)
    assert [round(box.probability, 2) for box in boxes] == [0.95, 0.7, 0.6]
    assert {box.kind for box in boxes} == {"detachment"}


def test_a_picture_that_does_not_fail_has_no_boxes() -> None:
    assert find_boxes(cells(10, 10, {(4, 4): 0.9}), SPAGHETTI, 0.1) == ()


def test_a_failing_picture_without_a_surely_hot_cell_shows_its_hottest_place() -> None:
    (box,) = find_boxes(cells(10, 10, {(4, 4): 0.4, (4, 5): 0.3}), SPAGHETTI, 0.9)
    assert (box.left, box.top, box.width, box.height) == pytest.approx((0.4, 0.4, 0.2, 0.1))


def test_a_map_all_hot_is_one_box_over_the_picture() -> None:
    (box,) = find_boxes(np.ones((12, 12), dtype=np.float32), SPAGHETTI, 1.0)
    assert (box.left, box.top, box.width, box.height) == (0, 0, 1, 1)


def test_a_map_all_cold_has_no_boxes_even_if_the_picture_fails() -> None:
    assert find_boxes(np.zeros((12, 12), dtype=np.float32), SPAGHETTI, 1.0) == ()


def test_the_number_of_boxes_is_bounded() -> None:
    checkered = np.zeros((40, 40), dtype=np.float32)
    checkered[::2, ::2] = 0.9
    assert len(find_boxes(checkered, SPAGHETTI, 1.0)) == MAX_BOXES


def test_the_heat_map_keeps_place_and_value() -> None:
    heat = heat_map(cells(3, 5, {(0, 0): 0.0, (1, 4): 1.0, (2, 0): 0.5}))
    assert (heat.rows, heat.columns, len(heat.cells)) == (3, 5, 15)
    assert (heat.cells[0], heat.cells[9], heat.cells[10], heat.cells[1]) == (0, 255, 128, 13)
