"""Named streams of random numbers: the same seed and name give the same numbers, whatever else was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from zlib import crc32

import numpy as np

T = TypeVar("T")
Rng = np.random.Generator


def stream(seed: int, *names: object) -> Rng:
    """A separate generator for one purpose, so that adding a purpose never changes another's numbers."""
    return np.random.default_rng([seed & 0xFFFFFFFF, crc32(repr(names).encode())])


def choose(rng: Rng, weighted: dict[T, float]) -> T:
    """One key of `weighted`, drawn in proportion to its weight."""
    keys: Sequence[T] = list(weighted)
    weights = np.array([weighted[key] for key in keys], dtype=float)
    return keys[int(rng.choice(len(keys), p=weights / weights.sum()))]


def happens(rng: Rng, probability: float) -> bool:
    return bool(rng.random() < probability)


def between(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high))
