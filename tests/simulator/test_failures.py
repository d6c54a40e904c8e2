"""What failures do to the scene."""

from __future__ import annotations

import numpy as np
import pytest

from layerwatch.simulator import Simulation
from layerwatch.simulator.loose import Surface
from layerwatch.simulator.scene import BodyView, Scene


def scene_of(failure: str, seed: int, since: float) -> tuple[Simulation, Scene]:
    simulation = Simulation(seed, failure, "delta", duration=7200, onset=3000, nuisance=False)
    return simulation, simulation.scene(3000 + since)


def heights(view: BodyView, step: float) -> np.ndarray:
    printed = view.body.layer < view.layers
    points = np.hstack([view.body.end[printed], (view.body.layer[printed] * step)[:, None]])
    return view.to_bed(points)[:, 2]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("failure", ["detachment", "knocked_over", "picked_up", "support_collapse"])
def test_no_part_sinks_into_the_bed(failure: str, seed: int) -> None:
    _, scene = scene_of(failure, seed, 2000)
    for view in scene.bodies:
        low = heights(view, scene.step)
        assert low.size == 0 or low.min() > -1e-6


def test_a_lump_on_the_nozzle_travels_with_it() -> None:
    for seed in range(40):
        simulation, early = scene_of("spaghetti", seed, 1500)
        assert simulation.failure is not None
        if simulation.failure.loose.carried:
            late = simulation.scene(5500)
            moved = late.strands[-1].points[0] - early.strands[-1].points[0]
            assert np.allclose(moved[:2], (late.nozzle - early.nozzle)[:2])
            return
    pytest.fail("no seed gave a lump on the nozzle")


@pytest.mark.parametrize("failure", ["spaghetti", "detachment", "knocked_over"])
def test_a_strand_at_one_time_is_the_start_of_the_strand_later(failure: str) -> None:
    for seed in range(8):
        simulation, scene = scene_of(failure, seed, 1000)
        assert simulation.failure is not None
        if not scene.strands or simulation.failure.loose.carried:
            continue
        later = simulation.scene(5000).strands[0].points
        early = scene.strands[0].points
        assert len(later) > len(early)
        assert np.array_equal(later[: len(early)], early)
        return
    pytest.fail("no seed gave loose strands")


def test_a_knocked_over_part_lies_down() -> None:
    simulation, scene = scene_of("knocked_over", 3, 600)
    failure = simulation.failure
    assert failure is not None
    up = scene.bodies[failure.victim].turn[:, 2]
    assert up[2] < 0.4


def test_a_picked_up_part_travels_with_the_nozzle() -> None:
    simulation = Simulation(4, "picked_up", "delta", duration=7200, onset=3000, nuisance=False)
    first, second = simulation.scene(3300), simulation.scene(3700)
    assert simulation.failure is not None
    victim = simulation.failure.victim
    moved = second.bodies[victim].offset - first.bodies[victim].offset
    assert np.allclose(moved[:2], (second.nozzle - first.nozzle)[:2], atol=1e-6)


def test_shifted_layers_begin_at_the_onset() -> None:
    simulation, scene = scene_of("layer_shift", 5, 2000)
    shift = scene.bodies[0].shift
    assert shift is not None
    assert simulation.failure is not None
    start = simulation.failure.layer
    assert not shift[:start].any()
    assert np.hypot(*shift[start]) >= 3


def test_a_part_that_ran_out_of_filament_stops_growing_while_the_head_rises() -> None:
    simulation = Simulation(6, "runout", "delta", duration=7200, onset=2000, nuisance=False)
    early, late = simulation.scene(2500), simulation.scene(6500)
    assert [view.layers for view in early.bodies] == [view.layers for view in late.bodies]
    assert late.nozzle[2] > early.nozzle[2]


def test_warped_corners_rise_and_the_middle_stays() -> None:
    _, scene = scene_of("warping", 7, 3000)
    lifts = [lift for view in scene.bodies for lift in view.lift]
    assert lifts
    assert all(height > 1 for _, _, height, _, _ in lifts)


def test_the_leftover_part_is_there_from_the_start() -> None:
    simulation = Simulation(8, "bed_not_clear", "delta", duration=7200, nuisance=False)
    assert simulation.onset == 0
    assert len(simulation.scene(0).bodies) == len(simulation.print.bodies) + 1


def test_loose_filament_falls_on_the_part_where_there_is_one() -> None:
    simulation = Simulation(9, None, "delta", duration=7200, nuisance=False, shape="box")
    plan = simulation.print
    surface = Surface(plan, plan.count)
    outside = surface(np.array([[190.0, 190.0]]))
    rim = plan.bodies[0].caps[0][0][0]
    within = surface(plan.bodies[0].centre + (rim - plan.bodies[0].centre) * 0.97)
    assert outside[0] == 0
    assert within.max() > plan.step
