"""The figures that judge a detector."""

import numpy as np
import pytest

from layerwatch_train.metrics import auprc, auroc, bootstrap, calibration_error, recall_at, threshold_at

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
FAILED = np.array([True, False, True, False, False])


def test_auroc_counts_the_pairs_in_right_order() -> None:
    assert auroc(SCORES, FAILED) == pytest.approx(5 / 6)


def test_a_constant_score_knows_nothing() -> None:
    assert auroc(np.zeros(5), FAILED) == pytest.approx(0.5)


def test_auroc_of_one_class_is_unknown() -> None:
    assert np.isnan(auroc(SCORES, np.zeros(5, bool)))


def test_auprc_is_the_mean_precision_at_each_failure() -> None:
    assert auprc(SCORES, FAILED) == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_auprc_of_a_constant_score_is_the_share_of_failures() -> None:
    assert auprc(np.zeros(5), FAILED) == pytest.approx(2 / 5)


def test_recall_without_a_false_alarm() -> None:
    assert recall_at(SCORES, FAILED, 0.0) == pytest.approx(0.5)


def test_recall_never_allows_more_false_alarms_than_asked() -> None:
    rng = np.random.default_rng(0)
    scores, failed = rng.integers(0, 20, 500).astype(float), rng.random(500) < 0.3
    threshold = threshold_at(scores, failed, 0.1)
    assert (scores[~failed] > threshold).mean() <= 0.1


def test_a_truthful_probability_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(60_000)
    assert calibration_error(probability, rng.random(60_000) < probability) < 0.02


def test_an_overconfident_probability_is_not() -> None:
    rng = np.random.default_rng(0)
    assert calibration_error(np.full(4000, 0.99), rng.random(4000) < 0.5) > 0.4


def test_the_interval_draws_whole_groups() -> None:
    scores, failed = np.tile(SCORES, 40), np.tile(FAILED, 40)
    one_group_each = bootstrap(auroc, scores, failed, [str(n) for n in range(200)], 100)
    few_groups = bootstrap(auroc, scores, failed, [str(n % 5) for n in range(200)], 100)
    assert few_groups[1] - few_groups[0] > one_group_each[1] - one_group_each[0]
