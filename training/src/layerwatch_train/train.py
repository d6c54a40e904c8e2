"""Training of everything above stride 8, on samples made by `samples.build`.

The loss asks the map, cell by cell, where boxes or composites tell; where a failed picture has no box it
asks that some few cells rise (multiple-instance learning), and of a good picture that none does. The
image's own logit pools the map and looks at the whole. A share of each batch gets a piece of another
sample's features pasted in, with the map target to match (CutMix, Yun et al. 2019, on features), half of
them healthy pieces as controls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from layerwatch_train.index import UNKNOWN
from layerwatch_train.model import VARIANTS, Conv, Detector, Output
from layerwatch_train.samples import Samples


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything tuned. Tuned on out-of-fold webcam pictures, see the model card."""

    variant: str = "lite0"
    size: int = 320
    steps: int = 600
    batch: int = 32
    trunk_rate: float = 3e-4
    head_rate: float = 2e-3
    weight_decay: float = 0.05
    ema: float = 0.99
    paste: float = 0.3
    map_weight: float = 1.0
    kinds_weight: float = 0.25
    view_weight: float = 0.1
    smoothing: float = 0.02
    seed: int = 0
    boxes: bool = True
    """Whether the map learns where a failure is; else only that there is one."""
    heads_only: bool = False
    """Leave the whole trunk as ImageNet left it."""
    teaching: float = 0.7
    """Where there are teachers: share of the failure and map losses that asks for their answers."""
    bfloat16: bool = True
    """Multiply in bfloat16: 1.7 to 2 times the speed on processors with AVX-512 BF16, slower on others."""


def losses(
    out: Output, maps: Tensor, labels: Tensor, kinds: Tensor, view: Tensor, recipe: Recipe
) -> dict[str, Tensor]:
    """The four parts of the loss, each a mean over the batch."""
    soft = labels * (1 - 2 * recipe.smoothing) + recipe.smoothing
    failure = F.binary_cross_entropy_with_logits(out.failure, soft)
    flat, target = out.map.flatten(1), maps.flatten(1)
    unknown = target[:, 0] < 0
    positive, negative = (target > 0.5).float(), (target == 0).float()
    up, down = F.softplus(-flat), F.softplus(flat)
    boxed = (up * positive).sum(1) / positive.sum(1).clamp(min=1)
    quiet = (down * negative).sum(1) / negative.sum(1).clamp(min=1)
    worst = torch.topk(down * negative, max(1, flat.shape[1] // 50), dim=1).values.mean(1)
    some = F.softplus(-torch.topk(flat, max(1, flat.shape[1] // 33), dim=1).values.mean(1))
    place = torch.where(unknown, some, 0.5 * boxed + quiet + 0.25 * worst * (1 - labels))
    told = (kinds >= 0).float()
    kind = F.binary_cross_entropy_with_logits(out.kinds, kinds.clamp(min=0), weight=told)
    seen = F.binary_cross_entropy_with_logits(out.in_view, view)
    return {"failure": failure, "map": place.mean(), "kinds": kind, "in_view": seen}


def paste_features(
    features: Tensor, maps: Tensor, labels: Tensor, kinds: Tensor, share: float, rng: np.random.Generator
) -> None:
    """In place: set a rectangle of another sample's features into some of the good samples."""
    known = (maps[:, 0, 0] >= 0).numpy()
    label = labels.numpy() > 0.5
    hosts = np.flatnonzero(~label)
    givers = {True: np.flatnonzero(label & known & (maps > 0.5).flatten(1).any(1).numpy()), False: hosts}
    grid = maps.shape[1]
    stride = features.shape[2] // grid
    frozen = features.clone()
    for host in hosts:
        if rng.random() >= share:
            continue
        failed = bool(rng.random() < 0.6)
        if not len(givers[failed]):
            continue
        giver = int(rng.choice(givers[failed]))
        if failed:
            ys, xs = np.nonzero(maps[giver].numpy() > 0.5)
            top, bottom = int(ys.min()), int(ys.max()) + 1
            left, right = int(xs.min()), int(xs.max()) + 1
        else:
            h, w = (int(n) for n in rng.integers(max(1, grid * 3 // 20), grid // 2 + 1, 2))
            top, left = int(rng.integers(0, grid - h + 1)), int(rng.integers(0, grid - w + 1))
            bottom, right = top + h, left + w
        if (bottom - top) * (right - left) > grid * grid // 2:
            continue
        y = int(rng.integers(0, grid - (bottom - top) + 1))
        x = int(rng.integers(0, grid - (right - left) + 1))
        h, w = bottom - top, right - left
        piece = frozen[giver, :, top * stride : bottom * stride, left * stride : right * stride]
        features[host, :, y * stride : (y + h) * stride, x * stride : (x + w) * stride] = piece
        if failed:
            maps[host, y : y + h, x : x + w] = maps[giver, top:bottom, left:right]
            labels[host], kinds[host] = 1.0, kinds[giver]


def taught(out: Output, teachers: Sequence[Output]) -> Tensor:
    """Cross-entropy with the teachers' mean probabilities of failure and of every map cell (Hinton et al.
    2015)."""
    failure = torch.stack([t.failure.sigmoid() for t in teachers]).mean(0)
    cells = torch.stack([t.map.sigmoid() for t in teachers]).mean(0)
    return F.binary_cross_entropy_with_logits(out.failure, failure) + F.binary_cross_entropy_with_logits(
        out.map, cells
    )


class Average:
    """Exponential moving average of a model's parameters."""

    def __init__(self, model: Detector, decay: float):
        self.decay = decay
        self.kept = {name: p.detach().clone() for name, p in model.state_dict().items()}

    def update(self, model: Detector, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, p in model.state_dict().items():
            self.kept[name].lerp_(p.detach(), 1 - decay)


def freeze(model: Detector, trunk: bool = False) -> None:
    """Leave as ImageNet gave it what costs much and learns little: everything up to stride 8, and the
    trunk's depthwise filters (their gradients are near half of a step's time on a CPU); or all the trunk."""
    if trunk:
        model.trunk.requires_grad_(False)
    model.trunk.stem.requires_grad_(False)
    model.trunk.lower.requires_grad_(False)
    for module in model.trunk.modules():
        if isinstance(module, Conv) and module.groups > 1:
            module.requires_grad_(False)


def fit(
    samples: Samples,
    usable: NDArray[np.int64],
    recipe: Recipe,
    out: Path,
    log: Callable[[str], None],
    weights: dict[str, Tensor] | None = None,
    every: int = 200,
    teachers: Sequence[dict[str, Tensor]] = (),
) -> dict[str, Tensor]:
    """Train on the samples at positions `usable`, from `weights` or ImageNet's; returns the averaged weights.

    Where there are `teachers` (weights of this variant), their answers are learned besides the labels.
    Writes `out` (a .pt file) every `every` steps and resumes from it.
    """
    torch.manual_seed(0)  # the same beginning for every seed, so that their weights may be averaged
    model = Detector(recipe.variant)
    torch.manual_seed(recipe.seed)
    model.trunk.load_imagenet(VARIANTS[recipe.variant])
    if weights is not None:
        model.load_state_dict(weights)
    model = model.to(memory_format=torch.channels_last)
    freeze(model, recipe.heads_only)
    elders = [load(recipe.variant, kept) for kept in teachers]
    trunk = [
        p for part in (model.trunk.middle, model.trunk.upper) for p in part.parameters() if p.requires_grad
    ]
    groups = [
        *([{"params": trunk, "lr": recipe.trunk_rate}] if trunk else []),
        {"params": model.heads.parameters(), "lr": recipe.head_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / 50) * (0.5 + 0.5 * float(np.cos(np.pi * step / recipe.steps)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    average, first = Average(model, recipe.ema), 0
    if out.is_file():
        kept = torch.load(out, weights_only=True)
        if kept["recipe"] == asdict(recipe):
            model.load_state_dict(kept["model"])
            optimizer.load_state_dict(kept["optimizer"])
            schedule.load_state_dict(kept["schedule"])
            average.kept, first = kept["average"], kept["step"]
    model.train()
    began, running = time.monotonic(), dict.fromkeys(("failure", "map", "kinds", "in_view"), 0.0)
    for step in range(first, recipe.steps):
        rng = np.random.default_rng([recipe.seed, step])
        pick = np.sort(rng.choice(usable, recipe.batch, replace=False))
        features, maps, labels, kinds, view = batch(samples, pick)
        if recipe.boxes:
            paste_features(features, maps, labels, kinds, recipe.paste, rng)
        else:
            maps[labels > 0.5] = UNKNOWN
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
            out_ = Output(*(part.float() for part in model.high(features)))
            with torch.inference_mode():
                answers = [Output(*(part.float() for part in elder.high(features))) for elder in elders]
        parts = losses(out_, maps, labels, kinds, view, recipe)
        told = parts["failure"] + recipe.map_weight * parts["map"]
        if answers:
            told = (1 - recipe.teaching) * told + recipe.teaching * taught(out_, answers)
        loss = told + recipe.kinds_weight * parts["kinds"] + recipe.view_weight * parts["in_view"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([*trunk, *model.heads.parameters()], 5.0)
        optimizer.step()
        schedule.step()
        average.update(model, step)
        for name, part in parts.items():
            running[name] += (float(part.detach()) - running[name]) / min(step - first + 1, 50)
        if (step + 1) % 50 == 0:
            shown = "  ".join(f"{name} {value:.3f}" for name, value in running.items())
            pace = (time.monotonic() - began) / (step + 1 - first) / recipe.batch * 1e3
            log(f"step {step + 1}/{recipe.steps}  {shown}  {pace:.0f} ms a sample")
        if (step + 1) % every == 0 or step + 1 == recipe.steps:
            state = {
                "recipe": asdict(recipe),
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "average": average.kept,
                "step": step + 1,
            }
            torch.save(state, out.with_suffix(".part"))
            out.with_suffix(".part").rename(out)
    return average.kept


def mean_weights(many: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The average of models trained on from one another (model soup, Wortsman et al. 2022)."""
    return {name: torch.stack([weights[name] for weights in many]).mean(0) for name in many[0]}


def batch(samples: Samples, pick: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Features [B, C, S/8, S/8], maps [B, G, G], labels [B], kinds [B, 8], in view [B], all float32."""
    features = torch.from_numpy(np.ascontiguousarray(samples.features[pick])).float().permute(0, 3, 1, 2)
    return (
        features,
        torch.from_numpy(samples.maps[pick].astype(np.float32)),
        torch.from_numpy(samples.labels[pick].astype(np.float32)),
        torch.from_numpy(samples.kinds[pick].copy()),
        torch.from_numpy(samples.in_view[pick].astype(np.float32)),
    )


def load(variant: str, weights: dict[str, Tensor]) -> Detector:
    """A model for use, not for training."""
    model = Detector(variant)
    model.load_state_dict(weights)
    return model.eval().to(memory_format=torch.channels_last)


def predict(
    weights: dict[str, Tensor], variant: str, features: NDArray[np.float16]
) -> dict[str, NDArray[np.float32]]:
    """Logits of `failure` [N], `kinds` [N, 8], `map` [N, G, G] and `in_view` [N] from kept features."""
    model = load(variant, weights)
    parts: dict[str, list[NDArray[np.float32]]] = {"failure": [], "kinds": [], "map": [], "in_view": []}
    with torch.inference_mode():
        for start in range(0, len(features), 64):
            x = (
                torch.from_numpy(np.ascontiguousarray(features[start : start + 64]))
                .float()
                .permute(0, 3, 1, 2)
            )
            for name, value in model.high(x)._asdict().items():
                parts[name].append(value.numpy())
    return {name: np.concatenate(values) for name, values in parts.items()}
