"""Light heads on the tower's tokens: any number side by side, each learning from its own share of the
pictures.

What a head gives is what the detector gives: a map of where, the failure, its kinds, and whether a print is
in view. All heads of a stack read the same batch, so that the tokens are fetched and normalised once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerwatch_train.model import KINDS, Output
from layerwatch_train.teacher.tower import WIDTH

TOP_CELLS = 20
"""Cells of the map whose mean is part of the failure's logit."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a head is built."""

    units: int = 128
    dropout: float = 0.3
    inputs: int = WIDTH
    spread: int = 0
    """Side of the depthwise filter that mixes neighbouring cells; 0: none."""


class Heads(nn.Module):
    """`count` heads. tokens [B, 1 + G², inputs] → an `Output` with the head as
    second axis: failure [B, count], kinds [B, count, 8], map [B, count, G, G], in_view [B, count]."""

    def __init__(self, count: int, form: Form, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.count, self.form = count, form
        units = form.units
        self.project = nn.Parameter(torch.randn(count * units, form.inputs) * form.inputs**-0.5)
        self.shift = nn.Parameter(torch.zeros(count * units))
        self.place = nn.Parameter(torch.randn(count, units) * units**-0.5)
        self.place_shift = nn.Parameter(torch.full((count,), -2.0))
        self.attend = nn.Parameter(torch.zeros(count, units))
        pooled = 3 * units
        self.whole = nn.Parameter(torch.zeros(count, pooled, 1 + KINDS + 1))
        self.whole_shift = nn.Parameter(torch.zeros(count, 1 + KINDS + 1))
        if form.spread:
            kernel = torch.zeros(count * units, 1, form.spread, form.spread)
            kernel[:, :, form.spread // 2, form.spread // 2] = 1.0
            self.kernel = nn.Parameter(kernel)

    def forward(self, tokens: Tensor) -> Output:
        form = self.form
        cells = int(tokens.shape[1]) - 1
        side = round(cells**0.5)
        seen = F.linear(F.layer_norm(tokens, (form.inputs,)), self.project, self.shift)
        if form.spread:
            grid = seen[:, 1:].transpose(1, 2).reshape(len(seen), -1, side, side)
            mixed = F.conv2d(grid, self.kernel, padding=form.spread // 2, groups=len(self.kernel))
            seen = torch.cat([seen[:, :1], mixed.flatten(2).transpose(1, 2)], dim=1)
        units = F.gelu(seen)
        if self.training:  # whole units of a picture: cheaper to draw than each alone
            kept = torch.rand(len(units), 1, units.shape[2]) >= form.dropout
            units = units * (kept / (1 - form.dropout)).to(units.dtype)
        units = units.reshape(-1, 1 + cells, self.count, form.units)
        patches = units[:, 1:]
        where = torch.einsum("bnjh,jh->bjn", patches, self.place.to(patches.dtype)).float()
        where = where + self.place_shift[:, None]
        weight = torch.einsum("bnjh,jh->bjn", patches, self.attend.to(patches.dtype)).float().softmax(2)
        local = torch.einsum("bnjh,bjn->bjh", patches, weight.to(patches.dtype))
        parts = [units[:, 0], local, patches.amax(1)]
        pooled_logits = (
            torch.einsum("bjp,jpk->bjk", torch.cat(parts, dim=2).float(), self.whole) + self.whole_shift
        )
        top = where.topk(min(TOP_CELLS, cells), dim=2).values.mean(2)
        failure = 0.5 * top + pooled_logits[..., 0]
        return Output(
            failure,
            pooled_logits[..., 1:-1],
            where.reshape(-1, self.count, side, side),
            pooled_logits[..., -1],
        )
