"""What holds for any frames whatever."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layerwatch.temporal import Levels, PrintState, Verdict, false_alarm, resumed, step
from layerwatch.vision import KINDS, Condition, Evidence, HeatMap
from tests.temporal.frames import Camera, Watch

quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])

PROBABILITIES = [0.0, 0.02, 0.3, 0.7, 0.97, 1.0]
EXTREMES = [math.nan, math.inf, -math.inf, -1.0, 1e300]


@st.composite
def evidences(draw: st.DrawFn, sane: bool = False) -> Evidence:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    numbers = PROBABILITIES if sane else PROBABILITIES * 3 + EXTREMES
    rows, columns = ((8, 8), (10, 10), (7, 9), (1, 1), (0, 0))[random.integers(5)]
    whole = sane or random.random() < 0.9
    low, high = sorted(random.integers(0, 256, 2).tolist())
    return Evidence(
        failure_probability=draw(st.sampled_from(numbers)),
        kinds=tuple(float(random.choice(numbers)) for _ in KINDS),
        heat=HeatMap(rows, columns, random.bytes(rows * columns if whole else 3)),
        boxes=(),
        print_in_view=float(random.choice(numbers)),
        condition=draw(st.sampled_from([Condition.OK] * 6 + list(Condition))),
        brightness=float(random.choice(numbers)),
        sharpness=float(random.choice(numbers)),
        thumbnail=random.integers(low, high + 1, 768 if whole else 5, np.uint8).tobytes(),
        model_version="any",
        milliseconds=0.0,
    )


gaps = st.one_of(
    st.floats(1, 120), st.sampled_from([0.0, -30.0, 1e4, -1e6, 1e9, math.nan, math.inf, -math.inf])
)
frames = st.lists(
    st.tuples(evidences(), gaps, st.sampled_from(["", "", "", "b", "c", "d", "e"])), max_size=25
)


def run(
    pictures: list[tuple[Evidence, float, str]], levels: Levels, *, stored: bool = False
) -> tuple[PrintState | None, list[Verdict]]:
    state: PrintState | None = None
    second, verdicts = 0.0, []
    for evidence, gap, camera in pictures:
        now = second + gap
        second = now if math.isfinite(now) else second
        state, verdict = step(state, evidence, now, levels, camera)
        if stored:
            state = PrintState.from_bytes(state.to_bytes())
        verdicts.append(verdict)
    return state, verdicts


@quick
@given(frames)
def test_any_input_gives_a_finite_answer_in_range(pictures: list[tuple[Evidence, float, str]]) -> None:
    state, verdicts = run(pictures, Levels())
    for verdict in verdicts:
        assert isinstance(verdict.quality, int) and 1 <= verdict.quality <= 10
        assert isinstance(verdict.score, int) and 0 <= verdict.score <= 100
        assert verdict.kind is None or verdict.kind in KINDS
    if state is not None:
        assert PrintState.from_bytes(state.to_bytes()).to_bytes() == state.to_bytes()


@quick
@given(frames)
def test_a_state_that_was_stored_goes_on_exactly_like_one_that_was_not(
    pictures: list[tuple[Evidence, float, str]],
) -> None:
    kept, stored = run(pictures, Levels()), run(pictures, Levels(), stored=True)
    assert kept[1] == stored[1]
    assert (kept[0] is None) or kept[0].to_bytes() == stored[0].to_bytes()  # type: ignore[union-attr]


@quick
@given(frames)
def test_the_state_stays_under_four_kilobytes(pictures: list[tuple[Evidence, float, str]]) -> None:
    state, _ = run(pictures, Levels())
    assert state is None or len(state.to_bytes()) < 4096


@quick
@given(frames)
def test_the_same_frames_give_the_same_verdicts(pictures: list[tuple[Evidence, float, str]]) -> None:
    assert run(pictures, Levels())[1] == run(pictures, Levels())[1]


@quick
@given(frames)
def test_a_lower_level_never_fires_later_and_levels_change_nothing_else(
    pictures: list[tuple[Evidence, float, str]],
) -> None:
    by_level = [run(pictures, Levels(warning=level, pause=level))[1] for level in range(1, 6)]
    for lower, higher in pairwise(by_level):
        for low, high in zip(lower, higher, strict=True):
            assert low.warning >= high.warning and low.pause >= high.pause
            assert (low.score, low.quality, low.condition) == (high.score, high.quality, high.condition)


@quick
@given(frames)
def test_a_pause_is_never_suggested_without_a_warning(
    pictures: list[tuple[Evidence, float, str]],
) -> None:
    assert all(verdict.warning or not verdict.pause for verdict in run(pictures, Levels())[1])


@quick
@given(st.lists(evidences(sane=True), min_size=1, max_size=15), st.data())
def test_frames_that_arrive_late_or_twice_change_nothing(
    pictures: list[Evidence], data: st.DataObject
) -> None:
    state: PrintState | None = None
    for number, evidence in enumerate(pictures):
        state, verdict = step(state, replace(evidence, condition=Condition.OK), 30.0 * number, Levels())
        late = data.draw(st.floats(-590, 0))
        again, repeated = step(state, data.draw(evidences(sane=True)), 30.0 * number + late, Levels())
        assert again == state
        assert replace(repeated, condition=verdict.condition) == verdict


@quick
@given(st.lists(evidences(sane=True), min_size=1, max_size=12), st.floats(600, 1e8))
def test_a_long_silence_does_not_raise_a_flag(pictures: list[Evidence], silence: float) -> None:
    state: PrintState | None = None
    for number, evidence in enumerate(pictures):
        state, before = step(state, evidence, 30.0 * number, Levels())
    _, after = step(state, pictures[0], 30.0 * len(pictures) + silence, Levels())
    assert before.quality <= 3 or not after.pause or before.pause


@quick
@given(frames, st.sampled_from([false_alarm, resumed]))
def test_a_lesson_takes_the_flags_down_and_leaves_a_sound_state(
    pictures: list[tuple[Evidence, float, str]], teach: object
) -> None:
    state, _ = run(pictures, Levels())
    if state is None:
        return
    assert callable(teach)
    taught = teach(state)
    assert PrintState.from_bytes(taught.to_bytes()).to_bytes() == taught.to_bytes()
    assert taught.alarm.warned == taught.alarm.paused == 0


@quick
@given(st.lists(st.sampled_from([0.02, 0.5, 0.97]), min_size=30, max_size=60), st.integers(0, 2**31))
def test_flags_do_not_flicker(scores: list[float], seed: int) -> None:
    """A flag that went down stays down for a minute, and one that went up stays up for one."""
    camera, watch = Camera(seed), Watch()
    flags = [(watch.see(camera.sees(score)).warning, watch.second) for score in scores]
    changes = [
        second for (flag, second), (last, _) in zip(flags[1:], flags[:-1], strict=True) if flag != last
    ]
    assert all(later - earlier >= 60 for earlier, later in pairwise(changes))
