"""Fine pictures show what the fast ones show; their beads are whole."""

from __future__ import annotations

import numpy as np
import pytest

from layerwatch.simulator import still
from layerwatch.simulator.geometry import loft, rectangle
from layerwatch.simulator.plates import body_from_solids
from layerwatch.simulator.scene import BodyView
from layerwatch_train.fine.beads import wall_lines
from layerwatch_train.fine.recipe import Recipe, scene_of


def tower(layers: int = 10, **more: object) -> BodyView:
    body = body_from_solids("object", [loft("tower", rectangle(20, 10), 10.0)], 1.0, 10)
    return BodyView(body, layers, np.ones((11, 3)), **more)  # type: ignore[arg-type]


def test_every_layer_is_one_closed_bead() -> None:
    lines = wall_lines(tower(), 1.0, np.zeros(3))[0]
    assert len(lines) == 10
    for number, line in enumerate(lines):
        assert line[:, 2] == pytest.approx(np.full(len(line), number + 0.5))
        assert line[0] == pytest.approx(line[-1])
        assert np.hypot(*np.diff(line[:, :2], axis=0).T).sum() == pytest.approx(60)


def test_layers_not_yet_printed_have_no_bead() -> None:
    assert len(wall_lines(tower(4), 1.0, np.zeros(3))[0]) == 4


def test_failed_layers_are_beads_of_their_own_label() -> None:
    lines = wall_lines(tower(label=4, label_from=6), 1.0, np.array([1.0, 2.0, 3.0]))
    assert {label: len(found) for label, found in lines.items()} == {0: 6, 4: 4}


def test_missing_walls_are_missing_beads() -> None:
    whole = sum(len(line) for line in wall_lines(tower(), 1.0, np.zeros(3))[0])
    gappy = wall_lines(tower(gaps=np.full(11, 0.5)), 1.0, np.zeros(3))[0]
    assert len(gappy) > 20
    assert sum(len(line) - 1 for line in gappy) < 0.7 * whole


@pytest.mark.parametrize("seed", [4, 5])
def test_a_seed_stands_for_the_moment_of_its_still(seed: int) -> None:
    recipe = Recipe(size=(160, 120))
    simulation, second = scene_of(seed, recipe)
    assert simulation.frame(second).truth == still(seed, recipe.size).truth
