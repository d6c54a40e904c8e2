"""Batches of base pictures and reviewed examples, each seen anew at every use."""

from __future__ import annotations

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

    def batch(self, step: int) -> Batch:
        """The batch of a step; the same for the same step."""
        rng = np.random.default_rng([self._recipe.seed, step])
        total = float(self._shares.sum())
        count = int(rng.binomial(self._recipe.batch, total))
        draws = []
        if count:
            picked = rng.choice(len(self._shares), count, p=self._shares / total)
            draws = [Draw(self._base + int(n)) for n in picked]
        material = self._material
        draws += draw(
            material.pictures, material.usable, self._recipe.batch - count, rng, rendered=_NO_RENDERED
        )
        made = [make(one, material, self._size, rng) for one in draws]
        return Batch(
            torch.from_numpy(np.stack([s.image for s in made])).permute(0, 3, 1, 2).float(),
            torch.from_numpy(np.stack([s.map for s in made])),
            torch.tensor([float(s.label) for s in made]),
            torch.from_numpy(np.stack([s.kinds for s in made])),
            torch.tensor([float(one.picture >= 0) for one in draws]),
            torch.tensor([n < count for n in range(len(draws))]),
        )
