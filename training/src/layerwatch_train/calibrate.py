"""Platt scaling: from logits to probabilities that mean what they say (Platt 1999).

Fitted on out-of-fold logits, so on printers the models had not seen. Every scene weighs the same up to
the square root of its size, and good and failed weigh half each: the probability is for a picture that
may as well be one as the other. `temporal` knows how rare failures are and brings the prior.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

WIDE_SHARE = 0.15
"""Share of the map's cells that `widespread` averages; of 5, 10, 15 and 25 % the best compromise of AUROC and
recall at 1 % false alarms, out of fold, all folds."""


def scene_weights(scenes: Sequence[str], failed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """[N] weights: each scene counts by the square root of its size; good and failed sum to one half each."""
    keys = list(zip(scenes, failed.tolist(), strict=True))
    size = Counter(keys)
    weights = np.array([size[key] ** -0.5 for key in keys])
    for label in (True, False):
        if (failed == label).any():
            weights[failed == label] /= 2 * weights[failed == label].sum()
    return weights


def fit_platt(
    logits: NDArray[np.float64], failed: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """(scale, shift) of the least weighted log loss for logits [N]; scale is positive."""

    def loss(parameters: NDArray[np.float64]) -> float:
        z = logits * np.exp(parameters[0]) + parameters[1]
        return float((weights * (np.logaddexp(0, z) - failed * z)).sum())

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-8})
    return float(np.exp(found.x[0])), float(found.x[1])


def widespread(cells: NDArray[np.floating]) -> NDArray[np.float64]:
    """[N, G, G] logits of a map → [N] mean of its highest WIDE_SHARE: how far a failure spreads."""
    flat = np.sort(cells.reshape(len(cells), -1).astype(np.float64), axis=1)
    return np.asarray(flat[:, -int(WIDE_SHARE * flat.shape[1]) :].mean(1), np.float64)


def blended(failure: NDArray[np.floating], cells: NDArray[np.floating]) -> NDArray[np.float64]:
    """[N] logits, half of the pooled heads [N], half of how far the map [N, G, G] spreads: the heads rank
    better, the spread finds more at few false alarms."""
    return (failure.astype(np.float64) + widespread(cells)) / 2


def sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logistic function, safe for large arguments."""
    return 0.5 * (1 + np.tanh(z / 2))
