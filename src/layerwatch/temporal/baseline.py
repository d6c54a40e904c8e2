"""What is usual for this print: a belief about healthy values, and how unlikely a new value is under it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from layerwatch.temporal import constants as c
from layerwatch.temporal.state import PLACES, Baseline
from layerwatch.vision.evidence import HeatMap

_GRID = 8
_BYTE_LOGITS: NDArray[np.float32] = np.log(
    np.clip(np.arange(256) / 255, 1 / 400, 1 - 1 / 400)
    / (1 - np.clip(np.arange(256) / 255, 1 / 400, 1 - 1 / 400))
).astype(np.float32)


def logit(probability: float) -> float:
    """Log-odds of a probability, within ±`LOGIT_LIMIT`."""
    bounded = min(max(probability, 1e-4), 1 - 1e-4)
    value = math.log(bounded / (1 - bounded))
    return min(max(value, -c.LOGIT_LIMIT), c.LOGIT_LIMIT)


def place_logits(heat: HeatMap) -> NDArray[np.float32] | None:
    """The heat map's largest logit in each of 8 x 8 places, shape [64]; None if there is no usable map."""
    rows, columns = heat.rows, heat.columns
    if rows < 1 or columns < 1 or len(heat.cells) != rows * columns:
        return None
    cells = np.frombuffer(heat.cells, np.uint8).reshape(rows, columns)
    return _BYTE_LOGITS[_to_grid(_to_grid(cells).T).T].reshape(PLACES)


def _to_grid(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows pooled (by maximum) or repeated to eight."""
    rows = cells.shape[0]
    if rows == _GRID:
        return cells
    if rows < _GRID:
        return cells[np.arange(_GRID) * rows // _GRID]
    pooled: NDArray[np.uint8] = np.maximum.reduceat(cells, np.arange(_GRID) * rows // _GRID, axis=0)
    return pooled


def spread_to_neighbours(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each place's maximum with its eight neighbours: scenery on a moving bed does not stay in its place."""
    padded = np.full((_GRID + 2, _GRID + 2), -np.inf, np.float32)
    padded[1:-1, 1:-1] = places.reshape(_GRID, _GRID)
    across = np.maximum(np.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    return np.maximum(np.maximum(across[:-2], across[1:-1]), across[2:]).reshape(PLACES)


def prior(healthy: tuple[float, float]) -> Baseline:
    """What is believed of a healthy print before its first frame."""
    mean, scale = healthy
    return Baseline(mean, c.PRIOR_FRAMES, scale * scale, c.PRIOR_SCALE_FRAMES)


def learn(belief: Baseline, value: float, weight: float) -> Baseline:
    """Take in a value that is healthy with certainty `weight` (Normal-inverse-gamma update, memory bounded)."""
    if weight <= 0:
        return belief
    frames = belief.frames + weight
    off = value - belief.mean
    scale_frames = belief.scale_frames + weight
    variance = belief.scale_frames * belief.variance + weight * belief.frames / frames * off * off
    return Baseline(
        belief.mean + weight * off / frames,
        min(frames, c.MOST_FRAMES),
        max(variance / scale_frames, c.LEAST_VARIANCE),
        min(scale_frames, c.MOST_FRAMES),
    )


def drift(belief: Baseline, seconds: float) -> Baseline:
    """The same belief some seconds later: less sure of where the mean is."""
    frames = 1 / (1 / belief.frames + c.DRIFT_PER_SECOND * seconds)
    return Baseline(belief.mean, frames, belief.variance, belief.scale_frames)


def log_likelihoods(belief: Baseline, value: float, failing: tuple[float, float]) -> tuple[float, float]:
    """Nats that `value` speaks for an excursion and for failing, each against healthy; bounded.

    Healthy: Student's t, the posterior predictive of the belief. Excursion: wider, and above it. Failing: around
    `failing`, never near the baseline, flat above. Healthy and failing each hold a share of the other:
    detectors cry wolf, and miss.
    """
    variance = belief.variance * (1 + 1 / belief.frames)
    healthy = _student(value, belief.mean, variance, belief.scale_frames)
    height, width = c.EXCURSION_HEIGHT
    odd = _student(value, belief.mean + height, variance + width * width, 8.0)
    level, scale = failing
    level = max(level, belief.mean + c.FAILING_STEP)
    failed = _student(min(value, level), level, scale * scale, 8.0)
    usual = (1 - c.OUTLIER_RATE) * healthy + c.OUTLIER_RATE * odd
    return (
        math.log(odd / usual),
        math.log(((1 - c.MISS_RATE) * failed + c.MISS_RATE * healthy) / usual),
    )


def _student(value: float, mean: float, variance: float, freedom: float) -> float:
    """Density of Student's t at `value`."""
    constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    constant -= 0.5 * math.log(freedom * math.pi * variance)
    off = (value - mean) ** 2 / (freedom * variance)
    return math.exp(constant - (freedom + 1) / 2 * math.log1p(off)) + 1e-12
