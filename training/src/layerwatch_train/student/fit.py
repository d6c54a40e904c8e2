"""Training the student: a step of 32 takes a processor core a second."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerwatch_train.finetune import FineTuning
from layerwatch_train.losses import losses
from layerwatch_train.mixing import color_jitter
from layerwatch_train.model import VARIANTS, Backbone, Output
from layerwatch_train.student.feed import Batch
from layerwatch_train.student.recipe import Phase, Recipe
from layerwatch_train.train import Weights

_LEAST_SPREAD = 0.1


class _Foretold(nn.Module):
    """From the trunk's features to the units of the teacher's head, of each cell and of the whole picture."""

    def __init__(self, fine: int, coarse: int, units: int):
        super().__init__()
        self.cells = nn.Conv2d(fine + coarse, units, 1)
        self.whole = nn.Linear(coarse, units)

    def loss(self, fine: Tensor, coarse: Tensor, batch: Batch) -> Tensor:
        """Squared error of both, in units of their spread."""
        up = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        cells = self.cells(torch.cat([fine, up], dim=1)).float()
        whole = self.whole(coarse.mean((2, 3))).float()
        taught = batch.taught
        spread = batch.units[taught].std((0, 2, 3), keepdim=True) + _LEAST_SPREAD
        off = (whole - batch.whole)[taught] / (batch.whole[taught].std() + _LEAST_SPREAD)
        found: Tensor = ((cells - batch.units)[taught] / spread).square().mean() + 0.1 * off.square().mean()
        return found


class Student(FineTuning[Batch]):
    """A student under way."""

    def __init__(self, recipe: Recipe, phase: Phase, first: Weights, variant: str, units: int):
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        _, fine, coarse = Backbone(VARIANTS[variant]).channels
        self.foretold = _Foretold(fine, coarse, units)
        super().__init__(phase, first, variant, self.foretold, recipe.feature_rate)

    def loss(self, batch: Batch) -> Tensor:
        x = color_jitter(batch.images.permute(0, 3, 1, 2).float()).contiguous(
            memory_format=torch.channels_last
        )
        with torch.autocast("cpu", torch.bfloat16):
            seen = self.features(x)
            out = Output(*(part.float() for part in self.model.heads(seen.fine, seen.coarse)))
            foretold = self.foretold.loss(seen.fine, seen.coarse, batch)
        return asked(out, batch, self.recipe) + self.recipe.features * foretold


def asked(out: Output, batch: Batch, recipe: Recipe) -> Tensor:
    """The loss: the teacher's answers where there are some, the labels where there are some."""
    taught = batch.taught
    loss = F.binary_cross_entropy_with_logits(out.failure[taught], batch.failure[taught].sigmoid())
    cells = F.binary_cross_entropy_with_logits(out.map[taught], batch.where[taught].sigmoid())
    loss = loss + recipe.map_weight * cells
    truth = (batch.maps, batch.labels, batch.kinds, batch.in_view)
    for rows, weight in ((taught & (batch.labels >= 0), recipe.labels), (~taught, recipe.stills_weight)):
        if not rows.any():
            continue
        parts = losses(Output(*(part[rows] for part in out)), *(part[rows] for part in truth))
        loss = loss + weight * (parts["failure"] + parts["map"])
        loss = loss + recipe.kinds_weight * parts["kinds"] + recipe.view_weight * parts["in_view"]
    return loss
