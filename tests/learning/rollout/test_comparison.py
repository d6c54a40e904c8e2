"""When a model must go: broken, slow, or of another opinion, and only then."""

from __future__ import annotations

import random

import pytest

from layerwatch.learning.rollout.comparison import MAX_ERRORS, Pair, PairedComparison


def compared(*pairs: Pair) -> PairedComparison:
    comparison = PairedComparison()
    for pair in pairs:
        comparison.add(pair)
    return comparison


def pair(
    candidate: float | None = 0.1,
    reference: float = 0.1,
    ms: float = 15.0,
    name: str = "p",
    before: float = 15.0,
) -> Pair:
    return Pair(name, candidate, reference, ms, before)


def test_a_model_like_the_one_before_may_stay() -> None:
    rng = random.Random(1)
    scores = [rng.random() for _ in range(400)]
    comparison = compared(*(pair(s, min(1.0, s + rng.uniform(-0.1, 0.1)), name=f"{s}") for s in scores))
    assert comparison.fault() is None


def test_a_model_that_fails_where_the_one_before_answers_must_go() -> None:
    assert compared(*[pair(None)] * (MAX_ERRORS - 1)).fault() is None
    assert "failed on 3 of 3" in str(compared(*[pair(None)] * MAX_ERRORS).fault())


@pytest.mark.parametrize(
    ("ms", "before", "goes"), [(200, 15, True), (40, 15, False), (60, 25, False), (5, 1, False)]
)
def test_three_times_as_slow_and_by_more_than_50_ms_must_go(ms: float, before: float, goes: bool) -> None:
    fault = compared(*[pair(ms=ms, before=before)] * 5).fault()
    assert (fault is not None) is goes


@pytest.mark.parametrize("more", [True, False])
def test_a_model_that_alarms_on_far_more_or_fewer_pictures_must_go(more: bool) -> None:
    scores = (0.9, 0.1) if more else (0.1, 0.9)
    fault = compared(*(pair(*scores, name=f"p{number % 5}") for number in range(20))).fault()
    assert fault is not None
    assert "20 of 20" in fault or "0 of 20" in fault


def test_one_failing_print_that_only_the_new_model_sees_is_no_reason_to_go() -> None:
    failing = [pair(0.9, 0.1, name="failing")] * 40
    others = [pair(name=f"p{number}") for number in range(100)]
    assert compared(*failing, *others).fault() is None


def test_the_figures_are_of_both_on_the_same_pictures() -> None:
    tally = compared(
        pair(0.9, 0.1, 10, "a", 20), pair(0.9, 0.9, 30, "b", 20), pair(None, 0.9, 0, "c")
    ).tally()
    assert (tally.pictures, tally.errors) == (2, 1)
    assert (tally.candidate_alarms, tally.reference_alarms, tally.only_candidate, tally.only_reference) == (
        2,
        1,
        1,
        0,
    )
    assert (tally.candidate_ms, tally.reference_ms) == (20, 20)
