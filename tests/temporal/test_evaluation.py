"""The judging of temporal methods: what counts as false, as caught, and the others' rules as published."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from layerwatch.vision import Condition
from layerwatch_train.temporal.equal import CONTENDERS, at_equal_false_alarms
from layerwatch_train.temporal.hardness import ROWS, hardness
from layerwatch_train.temporal.judge import Flags, Tally, episodes, paced, run_ours
from layerwatch_train.temporal.marked import after_false_alarm, from_start
from layerwatch_train.temporal.modelled import GOOD, modelled_print, modelled_prints
from layerwatch_train.temporal.prints import Print
from layerwatch_train.temporal.rules import ExponentialMean, InARow, Obico, Votes
from layerwatch_train.temporal.sequences import onset_of, parts_of
from layerwatch_train.temporal.tables import compare


def a_print(count: int, onset: float | None) -> Print:
    return Print(
        name="test",
        seconds=np.arange(count) * 30.0,
        scores=np.full(count, 0.1),
        heat=np.full((count, 8, 8), 10, np.uint8),
        thumbnails=np.zeros((count, 768), np.uint8),
        conditions=[Condition.OK] * count,
        onset=onset,
    )


def flags(count: int, warned_from: int | None, paused_from: int | None) -> Flags:
    steps = np.arange(count)
    return Flags(
        steps >= (count if warned_from is None else warned_from),
        steps >= (count if paused_from is None else paused_from),
    )


def test_an_alarm_before_the_onset_is_false_and_one_after_it_a_catch() -> None:
    total = Tally()
    total.add(a_print(100, onset=1500.0), flags(100, 52, 54))
    total.add(a_print(100, onset=None), flags(100, 10, None))
    assert (total.false_warnings, total.false_pauses) == (1, 0)
    assert (total.failing, total.warned, total.paused) == (1, 1, 1)
    assert total.to_warning == [60.0] and total.to_pause == [120.0]
    assert total.hours == pytest.approx((1500 + 99 * 30) / 3600)


def test_alarms_within_ten_minutes_are_one_episode() -> None:
    seconds = np.array([0.0, 300.0, 1200.0, 1210.0])
    assert episodes(seconds, np.array([True, True, True, True])) == 2


def test_a_client_takes_the_pictures_nearest_to_the_healthy_pace() -> None:
    close = a_print(60, onset=None)
    close.seconds = np.arange(60) * 20.0
    assert np.diff(paced(close).seconds).tolist() == [40.0] * 29
    coarse = a_print(20, onset=None)
    coarse.seconds = np.arange(20) * 35.0
    assert paced(coarse).seconds.tolist() == coarse.seconds.tolist()


def test_a_rule_is_moved_to_the_least_strict_setting_with_no_more_false_pauses() -> None:
    print_ = a_print(400, onset=None)
    print_.scores = np.where(np.arange(400) % 50 < 10, 0.9, 0.1)
    rule = next(one for one in CONTENDERS if one.name == "three in a row")
    knob, found = at_equal_false_alarms(rule, [print_], 0.0)
    assert (knob, found.false_pauses) == (0.925, 0)


def test_a_comparison_tells_scripts_counts_and_null_where_there_is_no_median() -> None:
    report = compare("none failing", [a_print(30, onset=None)], CONTENDERS[:1]).as_dict()
    assert report["methods"][0]["name"] == "Layerwatch, level 3"
    assert [one["name"] for one in report["levels"]] == ["1", "2", "3", "4", "5"]
    assert report["methods"][0]["false_pauses"] == 0
    assert report["methods"][0]["median_seconds"]["onset_to_pause"] is None


def test_obico_is_blind_for_thirty_frames_and_then_sees() -> None:
    rule = Obico()
    said = [rule.see(1.0)[0] for _ in range(29)]
    assert not any(said)
    assert not Obico().see(1.0)[0]
    quiet = Obico()
    for _ in range(60):
        quiet.see(0.0)
    assert any(quiet.see(1.0)[0] for _ in range(15))


def test_three_in_a_row_warn_and_a_good_frame_starts_over() -> None:
    rule = InARow()
    assert [rule.see(p)[0] for p in (0.9, 0.9, 0.1, 0.9, 0.9, 0.9)] == [False] * 5 + [True]


def test_two_of_five_warn() -> None:
    rule = Votes()
    assert [rule.see(p)[0] for p in (0.9, 0.1, 0.1, 0.1, 0.9, 0.1)] == [False] * 4 + [True, False]


def test_the_exponential_mean_forgets() -> None:
    rule = ExponentialMean()
    assert any(rule.see(1.0)[0] for _ in range(4))
    assert not [rule.see(0.0)[0] for _ in range(8)][-1]


def test_the_onset_is_where_failed_labels_prevail_and_the_moment_of_failing_counts_for_neither() -> None:
    assert onset_of(["good", "failed", "good", "good", "other", "failed", "failed", "failed"]) == (5, 4)
    assert onset_of(["good"] * 4) == (None, 4)


def test_good_frames_after_a_failure_are_another_print() -> None:
    labels = ["good"] * 4 + ["failed"] * 4 + ["good"] * 5 + ["failed"] * 3
    assert parts_of(labels) == [slice(0, 8), slice(8, 16)]
    assert parts_of(["good", "failed", "good", "good", "good", "failed", "failed"]) == [slice(0, 7)]


def test_modelled_prints_are_the_same_for_the_same_seed_and_every_other_one_fails() -> None:
    first, again = list(modelled_prints(2, GOOD, 5)), list(modelled_prints(2, GOOD, 5))
    assert [one.onset is None for one in first] == [True, False]
    assert all(np.array_equal(a.scores, b.scores) for a, b in zip(first, again, strict=True))


def test_ours_catches_a_modelled_failure_and_its_levels_are_in_order() -> None:
    print_ = modelled_print(np.random.default_rng((2, 4)), GOOD, True, "failing")
    by_level = run_ours(print_)
    assert by_level[2].pause.any()
    for lower, higher in pairwise(by_level):
        assert (lower.warning >= higher.warning).all() and (lower.pause >= higher.pause).all()


def test_how_hard_prints_are_is_told_of_healthy_stretches_and_of_failures() -> None:
    healthy, failing = a_print(40, onset=None), a_print(40, onset=600.0)
    failing.scores[20:] = 0.9
    report = dict(zip(ROWS, hardness([healthy, failing]), strict=True))
    assert report["healthy stretches of 5 frames or more"] == "2"
    assert report["median logit, mean±spread over stretches"] == "-2.2±0.0"
    assert report["failing, median logit"] == "2.2±0.0"
    assert hardness([a_print(4, onset=None)])[0] == "0"


def lit(print_: Print, frames: slice, places: slice, probability: float) -> None:
    """Paint a failure: these places of the third row, and the picture as a whole."""
    print_.scores[frames] = probability
    print_.heat[frames, 3, places] = round(255 * probability)


def living(count: int, onset: float | None) -> Print:
    """`a_print` before a camera with noise."""
    print_ = a_print(count, onset)
    print_.thumbnails = np.random.default_rng(1).integers(90, 110, (count, 768)).astype(np.uint8)
    return print_


def test_a_failure_called_a_false_alarm_is_measured_by_how_much_it_grows_and_when_it_is_warned_of() -> None:
    print_ = living(100, onset=1200.0)
    lit(print_, slice(40, None), slice(2, 4), 0.95)
    assert (unchanged := after_false_alarm(print_)) is not None
    assert (unchanged.warned, unchanged.paused, unchanged.grown) == (None, None, None)
    lit(print_, slice(70, None), slice(2, 6), 0.95)
    assert (grown := after_false_alarm(print_)) is not None
    assert grown.largest_area == pytest.approx(2 * grown.marked_area, rel=0.1)
    assert grown.grown == unchanged.pictures - 30 + 1
    assert grown.warned is not None and grown.paused is not None
    assert grown.grown < grown.warned <= grown.paused


def test_a_print_without_a_warning_has_nothing_to_call_a_false_alarm() -> None:
    assert after_false_alarm(living(50, onset=None)) is None


def test_a_print_that_looks_failed_from_the_start_is_compared_with_its_course_alone() -> None:
    print_ = living(60, onset=None)
    lit(print_, slice(None), slice(2, 4), 0.95)
    seen = from_start(print_)
    assert seen is not None and seen.early <= 4 < seen.course
    assert seen.late is not None and seen.late >= 8 and seen.flags == 0
    assert from_start(living(60, onset=None)) is None
