"""Training without labels on all samples, to begin from: two views of one sample's features are to be told
alike.

SimSiam (Chen & He 2021) with views made of kept features: a random crop, mirrored or not, with channels
dropped. It needs no pair of pictures, so it costs as little as the training that follows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from layerwatch_train.model import VARIANTS, Detector
from layerwatch_train.samples import Samples
from layerwatch_train.train import Recipe, batch, freeze

_CROP = 0.6
"""Side of a view, of the whole."""


def view(features: Tensor, rng: np.random.Generator) -> Tensor:
    """[B, C, H, W] → [B, C, h, w]: one crop for the batch, mirrored by chance, a tenth of the channels
    dropped."""
    side = int(features.shape[2] * _CROP) // 4 * 4
    y, x = (int(rng.integers(0, features.shape[2] - side + 1)) for _ in range(2))
    part = features[:, :, y : y + side, x : x + side]
    if rng.random() < 0.5:
        part = part.flip(3)
    return F.dropout2d(part, 0.1)


def pretrain(
    samples: Samples, usable: NDArray[np.int64], recipe: Recipe, out: Path, log: Callable[[str], None]
) -> dict[str, Tensor]:
    """Weights of a detector whose trunk was trained so for `recipe.steps`; kept in `out`."""
    if out.is_file():
        kept: dict[str, Tensor] = torch.load(out, weights_only=True)
        return kept
    torch.manual_seed(recipe.seed)
    model = Detector(recipe.variant)
    model.trunk.load_imagenet(VARIANTS[recipe.variant])
    model = model.to(memory_format=torch.channels_last)
    freeze(model)
    width = model.trunk.channels[2]
    project = nn.Sequential(nn.Linear(width, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 256))
    foretell = nn.Sequential(nn.Linear(256, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 256))
    trained = [p for p in model.trunk.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": trained, "lr": recipe.trunk_rate / 3},
            {"params": [*project.parameters(), *foretell.parameters()]},
        ],
        lr=1e-3,
        weight_decay=recipe.weight_decay,
    )
    for step in range(recipe.steps):
        rng = np.random.default_rng([recipe.seed, step, 7])
        features = batch(samples, np.sort(rng.choice(usable, recipe.batch, replace=False)))[0]
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
            seen = [model.trunk.upper(model.trunk.middle(view(features, rng))).mean((2, 3)) for _ in range(2)]
        one, two = (project(s.float()) for s in seen)
        loss = (
            -(
                F.cosine_similarity(foretell(one), two.detach()).mean()
                + F.cosine_similarity(foretell(two), one.detach()).mean()
            )
            / 2
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if (step + 1) % 50 == 0:
            log(f"without labels: step {step + 1}/{recipe.steps}  likeness {-float(loss.detach()):.3f}")
    weights = {name: p.detach() for name, p in model.state_dict().items()}
    torch.save(weights, out)
    return weights
