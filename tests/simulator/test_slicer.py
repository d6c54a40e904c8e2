"""Solids become layers, and layers become time."""

from __future__ import annotations

import numpy as np
import pytest

from layerwatch.simulator import SHAPES
from layerwatch.simulator.geometry import circle, loft, random_object, rectangle
from layerwatch.simulator.plates import body_from_solids, random_print
from layerwatch.simulator.slicer import along, hatch, loop_area

BED = (220.0, 220.0)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_stands_on_the_bed_and_has_walls(shape: str) -> None:
    solids = random_object(np.random.default_rng(1), shape)
    assert min(solid.bottom for solid in solids) == 0
    body = body_from_solids("object", solids, 1.0, int(max(solid.top for solid in solids)))
    assert len(body.start) > 3
    assert np.all(np.diff(body.layer) >= 0)


@pytest.mark.parametrize("seed", range(30))
def test_a_plate_fits_its_bed(seed: int) -> None:
    plan = random_print(seed, BED)
    for body in plan.bodies:
        if body.role == "object":
            assert np.abs(body.start).max() <= BED[0] / 2


def test_outer_walls_have_the_solid_on_their_left_and_holes_on_their_right() -> None:
    tube = loft("tube", circle(20.0)[::-1], 10, holes=(circle(10.0),))
    body = body_from_solids("object", [tube], 1.0, 10)
    along_, middle = body.end - body.start, (body.start + body.end) / 2
    outward = np.stack([along_[:, 1], -along_[:, 0]], axis=1)
    radial = (outward * middle).sum(axis=1)
    outer = np.hypot(*middle.T) > 15
    assert np.all(radial[outer] > 0)
    assert np.all(radial[~outer] < 0)


def test_infill_stays_inside_and_out_of_holes() -> None:
    lines = hatch([rectangle(40, 40), rectangle(20, 20)], 0.0, 2.0)
    points = lines.reshape(-1, 2)
    assert len(lines) > 10
    assert np.abs(points).max() <= 20 + 1e-9
    middles = lines.mean(axis=1)
    assert not np.any((np.abs(middles) < 9.9).all(axis=1))


def test_infill_of_nothing_is_nothing() -> None:
    assert hatch([], 0.0, 2.0).shape == (0, 2, 2)


def test_time_is_spent_layer_by_layer_up_to_the_duration() -> None:
    plan = random_print(3, BED, duration=5000)
    assert plan.ends[-1] == pytest.approx(5000)
    assert np.all(np.diff(plan.ends) > 0)
    assert plan.reached(-1.0)[0] == 0
    assert plan.reached(5001.0) == (plan.count, 0.0)
    number, share = plan.reached(2500.0)
    assert 0 <= share <= 1
    begin = plan.ends[number - 1] if number else 0
    assert begin <= 2500 <= plan.ends[number]


def test_the_nozzle_is_always_over_the_plate_and_never_goes_down() -> None:
    plan = random_print(4, BED, duration=5000)
    places = np.array([plan.nozzle(second) for second in np.linspace(0, 4999, 200)])
    assert np.abs(places[:, :2]).max() <= 112
    assert np.all(np.diff(places[:, 2]) >= 0)


def test_a_way_says_where_plastic_is_laid() -> None:
    plan = random_print(4, BED)
    path, lays = plan.way(1)
    assert len(path) == len(lays)
    assert not lays[0]
    assert lays.any()


def test_along_walks_by_length() -> None:
    path = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 30.0]])
    assert along(path, 0.25) == pytest.approx([10.0, 0.0])
    assert along(path, 1.0) == pytest.approx([10.0, 30.0])


def test_area_is_positive_counter_clockwise() -> None:
    assert loop_area(rectangle(4, 5)) == pytest.approx(20)
    assert loop_area(rectangle(4, 5)[::-1]) == pytest.approx(-20)
