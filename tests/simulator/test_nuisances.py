"""Hands, lamps, bumps and pauses change the picture and never the verdict."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerwatch.simulator import NUISANCES, Simulation
from layerwatch.simulator.nuisances import NuisanceEvent, Timeline, random_events

SMALL = (160, 120)


def with_event(kind: str, seed: int = 3) -> tuple[Simulation, NuisanceEvent]:
    simulation = Simulation(seed, None, duration=7200, nuisance=[kind], size=SMALL)
    return simulation, next(event for event in simulation.timeline.events if event.kind == kind)


@pytest.mark.parametrize("kind", NUISANCES)
def test_every_nuisance_shows_up_in_the_truth_and_fails_nothing(kind: str) -> None:
    simulation, event = with_event(kind)
    frame = simulation.frame(min((event.start + event.end) / 2, event.start + 60))
    assert kind in frame.truth.events
    assert not frame.truth.failed
    assert frame.truth.mask is not None
    assert not frame.truth.mask.any()


def test_a_frozen_camera_repeats_its_picture_while_the_print_goes_on() -> None:
    simulation, event = with_event("freeze")
    first, later = simulation.frame(event.start), simulation.frame(event.end - 1)
    assert np.array_equal(first.rgb, later.rgb)
    assert later.truth.progress > first.truth.progress
    assert later.truth.condition == "frozen"


def test_with_the_lights_off_it_is_dark() -> None:
    simulation, event = with_event("light_off")
    assert simulation.frame(event.start + 1).rgb.mean() < 0.5 * simulation.frame(event.start - 1).rgb.mean()


def test_nothing_is_printed_during_a_pause() -> None:
    simulation, event = with_event("pause")
    assert simulation.truth(event.start).progress == simulation.truth(event.end).progress
    assert simulation.scene((event.start + event.end) / 2).away


def test_a_hand_covers_part_of_the_picture() -> None:
    simulation, event = with_event("hand")
    calm = Simulation(3, None, duration=7200, nuisance=[], size=SMALL)
    second = event.start + 1
    assert np.abs(simulation.frame(second).rgb.astype(int) - calm.frame(second).rgb).max() > 25


spans = st.tuples(st.floats(1, 5000), st.floats(1, 900))


@given(st.lists(spans, max_size=4), st.floats(0, 9000))
def test_recording_time_and_print_time_are_each_others_inverse(
    gaps: list[tuple[float, float]], done: float
) -> None:
    events, clock = [], 0.0
    for wait, length in gaps:
        events.append(NuisanceEvent("pause", clock + wait, clock + wait + length, 0.5, 1))
        clock += wait + length
    timeline = Timeline(events)
    assert timeline.print_second(timeline.recording_second(done)) == pytest.approx(done, abs=1e-6)


def test_events_of_one_kind_do_not_overlap() -> None:
    for seed in range(40):
        events = random_events(seed, 20000, rate=4).events
        for kind in NUISANCES:
            same = [event for event in events if event.kind == kind]
            assert all(a.end <= b.start for a, b in pairwise(same))
