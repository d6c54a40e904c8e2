"""Training a candidate: labels everywhere, and the current detector's answers on base pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from layerwatch_train.finetune import FineTuning
from layerwatch_train.improve.feed import Batch
from layerwatch_train.improve.recipe import Recipe
from layerwatch_train.losses import distillation_loss, losses
from layerwatch_train.mixing import color_jitter
from layerwatch_train.model import Output
from layerwatch_train.train import Weights, load


class Improvement(FineTuning[Batch]):
    """A candidate under way. first: the current detector's weights."""

    def __init__(self, recipe: Recipe, first: Weights, variant: str):
        torch.manual_seed(recipe.seed)
        super().__init__(recipe, first, variant)
        self.recipe, self.current = recipe, load(variant, first)

    def loss(self, batch: Batch) -> Tensor:
        recipe, current = self.recipe, self.current
        x = color_jitter(batch.images).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            seen = self.features(x)
            out = self.model.heads(seen.fine, seen.coarse)
            with torch.no_grad():  # below stride 8 both are the same
                fine = current.trunk.middle(seen.low)
                before = current.heads(fine, current.trunk.upper(fine))
        out, before = (Output(*(part.float() for part in each)) for each in (out, before))
        parts = losses(out, batch.maps, batch.labels, batch.kinds, batch.in_view)
        loss = parts["failure"] + recipe.map_weight * parts["map"]
        loss = loss + recipe.kinds_weight * parts["kinds"] + recipe.view_weight * parts["in_view"]
        base = ~batch.reviewed
        if base.any():
            kept = distillation_loss(
                Output(*(part[base] for part in out)), Output(*(part[base] for part in before))
            )
            loss = (1 - recipe.keep) * loss + recipe.keep * kept
        return loss
