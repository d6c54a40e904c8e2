"""Batches of base pictures and reviewed examples, each seen anew at every use.

Users report what went wrong, so their examples may be of one label only: a batch gets as many more base
pictures of the other one, or the detector would learn that everything is a failure, or that nothing is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerwatch_train.improve.examples import Decoded, Example
from layerwatch_train.improve.recipe import Recipe
from layerwatch_train.samples import Draw, Material, draw, make

_NO_RENDERED = np.zeros(0, np.int64)


class Batch(NamedTuple):
    """images: [B, 3, S, S] float; maps: [B, G, G]; labels, in_view: [B]; kinds: [B, 8], as `samples.Sample`;
    reviewed: [B] whether it is a reviewed example."""

    images: Tensor
    maps: Tensor
    labels: Tensor
    kinds: Tensor
    in_view: Tensor
    reviewed: Tensor


class Feed:
    """Draws batches: base pictures by `samples.MIX`, reviewed examples by their shares."""

    def __init__(
        self,
        recipe: Recipe,
        size: int,
        base: Sequence[Example],
        reviewed: Sequence[Example],
        shares: NDArray[np.float64],
    ):
        """size: pixels a side.  shares: [len(reviewed)] of all samples; the rest is base pictures."""
        everything = [*base, *reviewed]
        of_base = np.arange(len(everything)) < len(base)
        pictures = [example.picture for example in everything]
        self._material = Material(pictures, Decoded(everything), of_base, None)  # type: ignore[arg-type]
        self._recipe, self._size, self._shares, self._base = recipe, size, shares, len(base)
        self._failed = np.array([example.failed for example in reviewed], bool)
        self._balance = {label: _webcam(base, failed=label) for label in (False, True)}

    def batch(self, step: int) -> Batch:
        """The batch of a step; the same for the same step."""
        rng = np.random.default_rng([self._recipe.seed, step])
        total = float(self._shares.sum())
        count = int(rng.binomial(self._recipe.batch, total))
        draws = []
        if count:
            picked = rng.choice(len(self._shares), count, p=self._shares / total)
            draws = [Draw(self._base + int(n)) for n in picked]
            surplus = 2 * int(self._failed[picked].sum()) - count
            draws += self._others(surplus < 0, min(abs(surplus), self._recipe.batch - count), rng)
        material = self._material
        rest = self._recipe.batch - len(draws)
        draws += draw(material.pictures, material.usable, rest, rng, rendered=_NO_RENDERED)
        made = [make(one, material, self._size, rng) for one in draws]
        return Batch(
            torch.from_numpy(np.stack([s.image for s in made])).permute(0, 3, 1, 2).float(),
            torch.from_numpy(np.stack([s.map for s in made])),
            torch.tensor([float(s.label) for s in made]),
            torch.from_numpy(np.stack([s.kinds for s in made])),
            torch.tensor([float(one.picture >= 0) for one in draws]),
            torch.tensor([n < count for n in range(len(draws))]),
        )

    def _others(self, failed: bool, count: int, rng: np.random.Generator) -> list[Draw]:
        """Base webcam pictures of one label, evenly over the square root of a scene's size."""
        numbers, weights = self._balance[failed]
        if not len(numbers):
            return []
        return [Draw(int(n)) for n in rng.choice(numbers, count, p=weights)]


def _webcam(base: Sequence[Example], *, failed: bool) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Positions of webcam pictures of a label, and how likely each is drawn."""
    numbers = [n for n, e in enumerate(base) if e.failed == failed and e.picture.view == "webcam"]
    size = Counter(base[n].picture.scene for n in numbers)
    weights = np.array([size[base[n].picture.scene] ** -0.5 for n in numbers])
    return np.array(numbers, np.int64), weights / max(weights.sum(), 1e-12)
