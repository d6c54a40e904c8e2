"""Figures that judge scores, with intervals over groups. NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]


def auroc(scores: Scores, failed: Labels) -> float:
    """Chance that a failed picture scores above a good one, ties counted half; NaN with only one class."""
    positive, negative = scores[failed], np.sort(scores[~failed])
    if not len(positive) or not len(negative):
        return float("nan")
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    return float(below.mean() / 2 / len(negative))


def auprc(scores: Scores, failed: Labels) -> float:
    """Average precision; NaN without a failed picture."""
    if not failed.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = failed[order]
    last = np.append(np.diff(scores[order]) != 0, True)  # tied scores are taken together
    true, found = np.cumsum(hits)[last], np.flatnonzero(last) + 1
    gained = np.diff(np.concatenate([[0], true]))
    return float((gained * true / found).sum() / hits.sum())


def threshold_at(scores: Scores, failed: Labels, false_alarms: float) -> float:
    """The lowest threshold with at most that share of good pictures strictly above it."""
    good = np.sort(scores[~failed])[::-1]
    return float(good[min(int(false_alarms * len(good)), len(good) - 1)])


def recall_at(scores: Scores, failed: Labels, false_alarms: float) -> float:
    """Share of failed pictures found where at most that share of good ones alarms; NaN with only one
    class."""
    if failed.all() or not failed.any():
        return float("nan")
    return float((scores[failed] > threshold_at(scores, failed, false_alarms)).mean())


def calibration_error(probability: Scores, failed: Labels, bins: int = 15) -> float:
    """Expected calibration error over bins of equal count (Guo et al. 2017, with equal-mass bins)."""
    order = np.argsort(probability, kind="stable")
    parts = [p for p in np.array_split(order, bins) if len(p)]
    gaps = [abs(probability[p].mean() - failed[p].mean()) * len(p) for p in parts]
    return float(sum(gaps) / len(order))


def bootstrap(
    figure: Callable[[Scores, Labels], float],
    scores: Scores,
    failed: Labels,
    groups: Sequence[str],
    rounds: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of `figure` when whole groups are drawn with replacement."""
    rng = np.random.default_rng(seed)
    names, position = np.unique(np.asarray(groups), return_inverse=True)
    members = [np.flatnonzero(position == n) for n in range(len(names))]
    values = []
    for _ in range(rounds):
        pick = np.concatenate([members[n] for n in rng.integers(0, len(names), len(names))])
        values.append(figure(scores[pick], failed[pick]))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
