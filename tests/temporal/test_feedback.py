"""What a person says teaches what was in view: its places and their strength, not the whole print."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerwatch.temporal import (
    Levels,
    PrintState,
    correct_alarm,
    false_alarm,
    good,
    missed,
    resumed,
    step,
    undo,
)
from layerwatch.temporal.verdict import MARKED
from layerwatch.vision import Evidence
from tests.temporal.frames import Camera, Watch

Teach = Callable[[PrintState], PrintState]
SPAGHETTI = ((4, 3), (4, 4))
GROWN = ((4, 3), (4, 4), (5, 3), (5, 4))


def taught(teach: Teach, interval: float, sees: Callable[[Camera], Evidence]) -> tuple[Camera, Watch]:
    """A healthy print, then something marked by a person at its first warning, and the same for a while."""
    camera, watch = Camera(), Watch(interval=interval)
    watch.see_all(camera.healthy() for _ in range(20))
    watch.until("warning", (sees(camera) for _ in range(12)))
    say(watch, teach)
    watch.see_all(sees(camera) for _ in range(15))
    return camera, watch


def say(watch: Watch, teach: Teach) -> None:
    assert watch.state is not None
    watch.state = teach(watch.state)


def seconds_until(watch: Watch, pictures: Iterable[Evidence]) -> tuple[float, float, float]:
    """Feeds pictures; seconds until quality 6 or lower, the warning and the pause."""
    began, at = watch.second, len(watch.verdicts)
    watch.see_all(pictures)
    verdicts = watch.verdicts[at:]

    def first(holds: Callable[[int], bool]) -> float:
        return next((i + 1) * watch.interval for i in range(len(verdicts)) if holds(i))

    assert watch.second > began
    return (
        first(lambda i: verdicts[i].quality <= 6),
        first(lambda i: verdicts[i].warning),
        first(lambda i: verdicts[i].pause),
    )


@pytest.mark.parametrize("teach", [false_alarm, resumed])
@pytest.mark.parametrize("interval", [20.0, 40.0])
@pytest.mark.parametrize(
    "grown",
    [
        lambda camera: camera.failing(at=(*SPAGHETTI, (5, 4))),  # half as large again
        lambda camera: camera.failing(at=GROWN),
        lambda camera: camera.failing(at=(*SPAGHETTI, (0, 7))),  # a new place
        lambda camera: camera.failing(at=((0, 7),)),
    ],
    ids=["half as large again", "twice as large", "also elsewhere", "elsewhere"],
)
def test_growth_shows_within_2_pictures_is_warned_of_in_2_minutes_and_paused_in_5(
    teach: Teach, interval: float, grown: Callable[[Camera], Evidence]
) -> None:
    camera, watch = taught(teach, interval, lambda camera: camera.failing(at=SPAGHETTI))
    shown, warned, paused = seconds_until(watch, [grown(camera) for _ in range(20)])
    assert shown <= 2 * interval
    assert warned <= (120 if interval == 20 else 160)  # a client looks closer from the first hint on
    assert paused <= 300


def test_what_is_half_as_strong_again_is_growth() -> None:
    camera, watch = taught(false_alarm, 20.0, lambda camera: camera.sees(0.62, at=SPAGHETTI))
    shown, warned, paused = seconds_until(watch, [camera.sees(0.96, at=SPAGHETTI) for _ in range(20)])
    assert (shown <= 40, warned <= 120, paused <= 300) == (True, True, True)


@pytest.mark.parametrize("teach", [false_alarm, resumed])
def test_the_same_thing_unchanged_does_not_alarm_again(teach: Teach) -> None:
    camera, watch = taught(teach, 40.0, lambda camera: camera.failing(at=SPAGHETTI))
    verdicts = watch.see_all(camera.failing(at=SPAGHETTI) for _ in range(600))
    assert not any(v.warning or v.pause for v in verdicts)


def test_spaghetti_that_grows_slowly_is_warned_of_when_it_has_grown_by_half() -> None:
    camera, watch = taught(false_alarm, 20.0, lambda camera: camera.failing(at=GROWN))
    grown = list(GROWN)
    for place in ((3, 3), (3, 4), (5, 5), (4, 5)):  # a place in five minutes
        grown.append(place)
        watch.see_all(camera.failing(at=grown) for _ in range(15))
    assert watch.verdicts[-1].pause


def test_quality_is_at_most_7_while_what_was_marked_is_lit_and_costs_no_closer_look() -> None:
    camera, watch = taught(false_alarm, 40.0, lambda camera: camera.failing(at=SPAGHETTI))
    verdicts = watch.see_all(camera.failing(at=SPAGHETTI) for _ in range(30))
    assert {v.quality for v in verdicts} == {7}
    assert verdicts[-1].note == MARKED and not verdicts[-1].suspicious
    gone = watch.see_all(camera.healthy() for _ in range(10))
    assert gone[-1].quality >= 8 and gone[-1].note is None


def test_growth_after_a_second_word_is_measured_against_that_one() -> None:
    camera, watch = taught(false_alarm, 20.0, lambda camera: camera.failing(at=SPAGHETTI))
    watch.until("warning", (camera.failing(at=GROWN) for _ in range(10)))
    say(watch, false_alarm)
    verdicts = watch.see_all(camera.failing(at=GROWN) for _ in range(60))
    assert not any(v.warning for v in verdicts)


def test_a_word_on_a_print_that_goes_well_marks_nothing() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(20))
    say(watch, resumed)
    assert watch.see(camera.healthy()).quality >= 8


def test_good_on_a_suspected_print_is_a_false_alarm() -> None:
    states = []
    for teach in (good, false_alarm):
        camera, watch = Camera(), Watch()
        watch.see_all(camera.healthy() for _ in range(20))
        watch.until("warning", (camera.failing(at=SPAGHETTI) for _ in range(12)))
        say(watch, teach)
        states.append(watch.state)
    assert states[0] == states[1]


@pytest.mark.parametrize("teach", [good, correct_alarm, missed])
def test_what_teaches_nothing_leaves_a_print_as_it_was(teach: Teach) -> None:
    said, silent = Watch(), Watch()
    for watch in (said, silent):
        camera = Camera()
        watch.see_all(camera.healthy() for _ in range(20))
        if watch is said:
            say(watch, teach)
        watch.see_all(camera.failing() for _ in range(12))
    assert said.verdicts == silent.verdicts


def test_a_confirmed_alarm_stays() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(20))
    watch.until("warning", (camera.failing() for _ in range(12)))
    say(watch, correct_alarm)
    assert watch.see(camera.failing()).warning


def test_undo_gives_back_the_warning_that_a_false_alarm_took_down() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(20))
    watch.until("warning", (camera.failing() for _ in range(12)))
    say(watch, false_alarm)
    assert not watch.see(camera.failing()).warning
    say(watch, undo)
    assert watch.see(camera.failing()).warning


def test_undo_without_a_word_changes_nothing() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(5))
    before = watch.state
    say(watch, undo)
    assert watch.state == before


@settings(max_examples=25, deadline=None)
@given(
    before=st.lists(st.sampled_from([0.03, 0.6, 0.95]), min_size=1, max_size=15),
    after=st.lists(st.sampled_from([0.03, 0.6, 0.95]), max_size=15),
    teach=st.sampled_from([false_alarm, resumed, missed, good, correct_alarm]),
    stored=st.booleans(),
)
def test_undo_is_the_state_as_if_the_word_had_not_been_said_with_what_was_seen_since(
    before: list[float], after: list[float], teach: Teach, stored: bool
) -> None:
    def watch(words: bool) -> PrintState:
        camera, state = Camera(1), None
        for number, probability in enumerate([*before, *after]):
            state, _ = step(state, camera.sees(probability), 20.0 * number, Levels())
            if words and number == len(before) - 1:
                state = teach(state)
            if stored:
                state = PrintState.from_bytes(state.to_bytes())
        assert state is not None
        return undo(state) if words else state

    assert watch(words=True) == watch(words=False)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0.03, 0.6, 0.95]), min_size=1, max_size=15))
def test_a_state_after_feedback_stays_under_eight_kilobytes_with_four_cameras(scores: list[float]) -> None:
    state: PrintState | None = None
    eyes = [Camera(seed) for seed in range(4)]
    for number, score in enumerate(scores):
        for eye, camera in enumerate(eyes):
            state, _ = step(state, camera.sees(score), 20.0 * number, Levels(), f"camera {eye}")
    assert state is not None
    for teach in (false_alarm, resumed, missed):
        state = teach(state)
        assert len(state.to_bytes()) < 8192
