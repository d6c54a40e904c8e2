"""A candidate is taken by what its training report says."""

from __future__ import annotations

import json

import pytest

from layerwatch.learning import LearningError
from layerwatch.learning.rollout.training_report import check_report


def report(verdict: str) -> str:
    return json.dumps({"verdict": verdict, "why": ["other sources: AUROC 0.950 → 0.900"], "sets": []})


def test_a_better_candidate_is_taken() -> None:
    check_report(report("better"))


def test_a_model_without_a_report_is_taken() -> None:
    check_report("")


@pytest.mark.parametrize("verdict", ["worse", "not better", "anything else"])
def test_any_other_verdict_is_refused_with_its_reasons(verdict: str) -> None:
    with pytest.raises(LearningError, match=rf"{verdict}.*other sources: AUROC"):
        check_report(report(verdict))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"verdict": "better"}', "[" * 100_000, " " * 300_000])
def test_a_damaged_report_is_refused(text: str) -> None:
    with pytest.raises(LearningError, match="damaged"):
        check_report(text)
