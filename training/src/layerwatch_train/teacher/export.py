"""From heads to `head.onnx`, which the service joins with the tower (`layerwatch.vision.large`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from layerwatch.vision.large.join import BLOCK_KEY
from layerwatch_train.calibrate import WIDE_SHARE
from layerwatch_train.export import Calibration, describe, traced
from layerwatch_train.teacher.head import Heads

_HALVED_FROM = 4096
"""Constants of so many numbers or more are kept as float16."""


class Served(nn.Module):
    """The mean of several heads, calibrated: tokens [N, 1 + G², width] → failure, kinds, map, in_view."""

    def __init__(self, heads: Heads, calibration: Calibration):
        super().__init__()
        self.heads, self.calibration = heads, calibration

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        out, c = self.heads(tokens), self.calibration
        cells = out.map.mean(1)
        flat = cells.flatten(1)
        wide = torch.topk(flat, int(WIDE_SHARE * flat.shape[1]), dim=1).values.mean(1)
        return (
            torch.sigmoid(out.failure.mean(1) * c.scale + wide * c.wide + c.shift),
            torch.sigmoid(out.kinds.mean(1)),
            torch.sigmoid(cells * c.map_scale + c.map_shift),
            torch.sigmoid(out.in_view.mean(1)),
        )


def together(stacks: Sequence[Heads], head: int) -> Heads:
    """One stack of head number `head` of each of `stacks`."""
    form = stacks[0].form
    made = Heads(len(stacks), form)
    rows = {"project", "shift", "kernel"}
    state = {}
    for name in made.state_dict():
        parts = []
        for stack in stacks:
            value = stack.state_dict()[name]
            own = form.units if name in rows else 1
            parts.append(value[head * own : (head + 1) * own])
        state[name] = torch.cat(parts)
    made.load_state_dict(state)
    return made.eval()


def export(
    heads: Heads, calibration: Calibration, size: int, block: int, out: Path, version: str, trained: str
) -> Path:
    """Write `out`, weights as float16. size: pixels a side of the picture. block: of the tower. Returns
    it."""
    served = Served(heads, calibration).eval()
    tokens = torch.zeros((1, 1 + (size // 16) ** 2, heads.form.inputs))
    model = traced(served, tokens, "tokens", out)
    _halve(model.graph)
    describe(model, size, version, trained)
    model.metadata_props.add(key=BLOCK_KEY, value=str(block))
    onnx.save(model, out)
    return out


def _halve(graph: onnx.GraphProto) -> None:
    """Keep large constants as float16; a Cast brings them back when the file is loaded."""
    casts = []
    for tensor in graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype != np.float32 or value.size < _HALVED_FROM:
            continue
        name = f"{tensor.name}_half"
        casts.append(helper.make_node("Cast", [name], [tensor.name], to=onnx.TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float16), name))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
