"""Which model looks at which print."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from layerwatch.contexts.context_id import LIFETIME
from layerwatch.learning.rollout.plan import (
    MAX_LOADED,
    PACKAGED,
    PROBATION,
    RolloutPlan,
    RolloutStage,
    RolloutStep,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRINTS = [f"print {number}" for number in range(2000)]


def full(id: int, model: str, since: datetime, **options: object) -> RolloutStep:
    return RolloutStep(id, RolloutStage.FULL, model, 1.0, since, **options)  # type: ignore[arg-type]


def canary(id: int, model: str, since: datetime, share: float = 0.1, **options: object) -> RolloutStep:
    return RolloutStep(id, RolloutStage.CANARY, model, share, since, **options)  # type: ignore[arg-type]


def shadow(id: int, model: str, since: datetime, **options: object) -> RolloutStep:
    return RolloutStep(id, RolloutStage.SHADOW, model, 0.5, since, **options)  # type: ignore[arg-type]


def test_without_a_step_the_packaged_model_looks_at_everything() -> None:
    assert RolloutPlan().active(NOON) == PACKAGED
    assert RolloutPlan().model_for("print", NOON) == PACKAGED
    assert RolloutPlan().trial(NOON) is None
    assert RolloutPlan().needed(NOON) == []


def test_a_print_ends_on_the_model_that_it_began_with() -> None:
    plan = RolloutPlan((full(1, "a", NOON), full(2, "b", NOON + HOUR)))
    assert [plan.model_for("p", NOON + hours * HOUR) for hours in (-1, 0, 1)] == [PACKAGED, "a", "b"]
    assert plan.active(NOON + HOUR) == "b"


def test_a_canary_gets_its_share_of_the_new_prints_and_keeps_them_when_it_ends() -> None:
    plan = RolloutPlan((full(1, "a", NOON), canary(2, "b", NOON + HOUR, until=NOON + 2 * HOUR)))
    before, during, after = (
        [plan.model_for(name, NOON + hours * HOUR) for name in PRINTS] for hours in (0.5, 1.5, 2.5)
    )
    assert before.count("b") == after.count("b") == 0
    assert 0.08 < during.count("b") / len(PRINTS) < 0.12


def test_two_canaries_do_not_get_the_same_prints() -> None:
    first, second = canary(1, "b", NOON), canary(2, "b", NOON)
    theirs = [
        {name for name in PRINTS if RolloutPlan((step,)).model_for(name, NOON) == "b"}
        for step in (first, second)
    ]
    assert len(theirs[0] & theirs[1]) < 0.3 * len(theirs[0])


def test_a_shadow_looks_at_no_print_by_itself() -> None:
    plan = RolloutPlan((shadow(1, "b", NOON),))
    assert {plan.model_for(name, NOON) for name in PRINTS} == {PACKAGED}
    trial = plan.trial(NOON)
    assert trial is not None
    assert (trial.candidate, trial.reference, trial.share) == ("b", PACKAGED, 0.5)


def test_prints_of_a_model_that_was_rolled_back_go_on_with_the_one_before() -> None:
    plan = RolloutPlan((full(1, "a", NOON), full(2, "bad", NOON + HOUR))).without(2)
    assert plan.model_for("p", NOON + 2 * HOUR) == "a"
    assert plan.active(NOON + 2 * HOUR) == "a"


def test_a_node_that_cannot_run_a_model_passes_it_over() -> None:
    plan = RolloutPlan((full(1, "a", NOON), full(2, "b", NOON + HOUR)))
    assert plan.model_for("p", NOON + HOUR, {"a"}.__contains__) == "a"


def test_a_new_model_is_on_probation_for_an_hour() -> None:
    plan = RolloutPlan((full(1, "a", NOON - 10 * HOUR), full(2, "b", NOON)))
    trial = plan.trial(NOON + PROBATION)
    assert trial is not None
    assert (trial.candidate, trial.reference) == ("b", "a")
    assert plan.trial(NOON + PROBATION + timedelta(seconds=1)) is None


def test_a_step_has_no_effect_before_its_time_but_its_model_is_made_ready() -> None:
    plan = RolloutPlan((full(1, "a", NOON),))
    early = NOON - timedelta(seconds=10)
    assert plan.active(early) == PACKAGED
    assert plan.needed(early) == ["a"]


def test_models_are_held_while_a_print_may_need_them_and_not_too_many() -> None:
    plan = RolloutPlan(
        (full(1, "old", NOON - 3 * LIFETIME), full(2, "a", NOON - 2 * LIFETIME), full(3, "b", NOON - HOUR))
    )
    assert plan.needed(NOON) == ["b", "a"]
    many = RolloutPlan(tuple(full(number, f"m{number}", NOON - number * HOUR) for number in range(9, 0, -1)))
    assert many.needed(NOON) == ["m1", "m2", "m3"][:MAX_LOADED]
