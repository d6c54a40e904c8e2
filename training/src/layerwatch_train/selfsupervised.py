"""Learning without labels: two views of one picture are to be told alike (SimSiam, Chen & He 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerwatch_train.mixing import lit
from layerwatch_train.model import Detector

_CROP = 0.6
"""Side of a view, of the whole."""


class Likeness(nn.Module):
    """[B, 3, S, S] pictures → how unlike the trunk sees two views of each, -1 (alike) to 1."""

    def __init__(self, width: int):
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(width, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 256)
        )
        self.foretell = nn.Sequential(nn.Linear(256, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 256))

    def forward(self, model: Detector, images: Tensor) -> Tensor:
        def seen() -> Tensor:
            side = int(images.shape[2] * _CROP) // 32 * 32
            y, x = torch.randint(0, images.shape[2] - side + 1, (2,)).tolist()
            part = lit(images[:, :, y : y + side, x : x + side])
            part = part.flip(3) if torch.rand(()) < 0.5 else part
            projected: Tensor = self.project(model.features(part)[1].mean((2, 3)))
            return projected.float()

        one, two = seen(), seen()
        return (
            -(
                F.cosine_similarity(self.foretell(one).float(), two.detach()).mean()
                + F.cosine_similarity(self.foretell(two).float(), one.detach()).mean()
            )
            / 2
        )
