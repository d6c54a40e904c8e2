"""Training the student: a step of 32 takes a processor core a second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerwatch_train.losses import losses
from layerwatch_train.mixing import color_jitter
from layerwatch_train.model import Detector, Output
from layerwatch_train.student.feed import Batch, Feed
from layerwatch_train.student.recipe import Phase, Recipe
from layerwatch_train.train import Weights

_WARM_STEPS = 100
_KEEP_EVERY = 150
"""Steps between checkpoints."""

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
        told = batch.taught
        spread = batch.units[told].std((0, 2, 3), keepdim=True) + _LEAST_SPREAD
        off = (whole - batch.whole)[told] / (batch.whole[told].std() + _LEAST_SPREAD)
        found: Tensor = ((cells - batch.units)[told] / spread).square().mean() + 0.1 * off.square().mean()
        return found


class Student:
    """A training under way; `average` are the weights that count."""

    def __init__(self, recipe: Recipe, phase: Phase, first: Weights, variant: str, units: int):
        torch.manual_seed(recipe.seed)
        self.recipe, self.phase, self.step = recipe, phase, 0
        model = Detector(variant)
        model.load_state_dict(first)
        self.model = model.to(memory_format=torch.channels_last)
        self.model.trunk.stem.requires_grad_(False)
        self.model.trunk.lower.requires_grad_(False)
        _, fine, coarse = model.trunk.channels
        self.foretold = _Foretold(fine, coarse, units)
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}
        upper = [*model.trunk.middle.parameters(), *model.trunk.upper.parameters()]
        parts = [upper, list(model.heads.parameters()), list(self.foretold.parameters())]
        self.rates = [phase.trunk_rate, phase.head_rate, recipe.feature_rate]
        self.parameters = [p for part in parts for p in part]
        self.optimizer = torch.optim.AdamW(
            [{"params": part} for part in parts], weight_decay=recipe.weight_decay
        )

    def learn(self, batch: Batch) -> float:
        """One step; returns its loss."""
        recipe = self.recipe
        rise = min(1.0, (self.step + 1) / min(_WARM_STEPS, self.phase.steps))
        fall = 0.5 + 0.5 * math.cos(math.pi * self.step / self.phase.steps)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * rise * fall
        self.model.train()
        x = color_jitter(batch.images.permute(0, 3, 1, 2).float()).contiguous(
            memory_format=torch.channels_last
        )
        trunk = self.model.trunk
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                low = trunk.lower(trunk.stem((x - 127.0) / 128.0))
            fine = trunk.middle(low)
            coarse = trunk.upper(fine)
            out = Output(*(part.float() for part in self.model.heads(fine, coarse)))
            foretold = self.foretold.loss(fine, coarse, batch)
        loss = asked(out, batch, recipe) + recipe.features * foretold
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, 5.0)
        self.optimizer.step()
        decay = min(recipe.average, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)
        self.step += 1
        return float(loss.detach())

    def keep(self, path: Path) -> None:
        parts = {name: getattr(self, name).state_dict() for name in ("model", "foretold", "optimizer")}
        torch.save({**parts, "average": self.average, "step": self.step}, path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)

    def resume(self, path: Path) -> None:
        kept = torch.load(path, weights_only=True)
        for name in ("model", "foretold", "optimizer"):
            getattr(self, name).load_state_dict(kept[name])
        self.average, self.step = kept["average"], kept["step"]


def asked(out: Output, batch: Batch, recipe: Recipe) -> Tensor:
    """The loss: the teacher's answers where there are some, the labels where there are some."""
    told = batch.taught
    loss = F.binary_cross_entropy_with_logits(out.failure[told], batch.failure[told].sigmoid())
    cells = F.binary_cross_entropy_with_logits(out.map[told], batch.where[told].sigmoid())
    loss = loss + recipe.map_weight * cells
    truth = (batch.maps, batch.labels, batch.kinds, batch.in_view)
    for rows, weight in ((told & (batch.labels >= 0), recipe.labels), (~told, recipe.stills_weight)):
        if not rows.any():
            continue
        parts = losses(Output(*(part[rows] for part in out)), *(part[rows] for part in truth))
        loss = loss + weight * (parts["failure"] + parts["map"])
        loss = loss + recipe.kinds_weight * parts["kinds"] + recipe.view_weight * parts["in_view"]
    return loss


def fit(student: Student, feed: Feed, path: Path, log: Callable[[str], None]) -> Weights:
    """Train to the last step, keeping checkpoints at `path`, from the one there is. Returns the average."""
    if path.is_file():
        student.resume(path)
    said, steps = time.monotonic(), student.phase.steps
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(feed.batch, student.step)
        while student.step < steps:
            now, coming = coming.result(), pool.submit(feed.batch, student.step + 1)
            loss = student.learn(now)
            if time.monotonic() - said > 60:
                said = time.monotonic()
                log(f"step {student.step} of {steps}, loss {loss:.3f}")
            if student.step % _KEEP_EVERY == 0 or student.step == steps:
                student.keep(path)
    return student.average
