"""Reads a detector file back into weights that can be trained: int8 values are dequantised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from layerwatch_train.export import Calibration
from layerwatch_train.model import Detector
from layerwatch_train.public import DetectorFileError
from layerwatch_train.train import Weights

_BLEND = (
    "/detector/heads/Mul_1_output_0",
    "/detector/heads/Mul_2_output_0",
    "/detector/heads/Add_2_output_0",
)
"""The results whose constant operands are the shares of the failure's logit, in order."""


class _Graph:
    """The constants of a graph by name, dequantised."""

    def __init__(self, graph: onnx.GraphProto):
        self.nodes = list(graph.node)
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.maker = {name: node for node in graph.node for name in node.output}

    def value(self, name: str) -> NDArray[np.float32]:
        if name in self.constants:
            return self.constants[name].astype(np.float32)
        node = self.maker.get(name)
        if node is None or node.op_type != "DequantizeLinear":
            raise ValueError(f"{name} is no constant")
        kept, scale = self.constants[node.input[0]], self.constants[node.input[1]]
        zero = self.constants[node.input[2]] if len(node.input) > 2 else np.zeros_like(scale)
        rest = (1,) * (kept.ndim - 1) if scale.ndim else ()
        by_channel = (np.reshape(part, (*part.shape, *rest)) for part in (scale, zero))
        scale, zero = by_channel
        return np.asarray((kept.astype(np.float32) - zero.astype(np.float32)) * scale, np.float32)


def read(path: Path, variant: str = "lite0") -> Weights:
    """Weights of `Detector(variant)` out of a file that `export` and `quantise` made.

    Weights by channel keep their first axis. Raises DetectorFileError where the file is of another network.
    """
    try:
        found = _found(_Graph(onnx.load(path).graph))
    except ValueError as error:
        raise DetectorFileError(f"{path.name} is not a detector of this trainer: {error}") from None
    expected = Detector(variant).state_dict()
    if found.keys() != expected.keys() or any(found[n].size != p.numel() for n, p in expected.items()):
        raise DetectorFileError(f"{path.name} is not a {variant} detector of this trainer")
    return {name: torch.from_numpy(found[name].copy()).reshape(expected[name].shape) for name in expected}


def _found(graph: _Graph) -> dict[str, NDArray[np.float32]]:
    """Every constant that looks like a parameter of `Detector`, by its name there."""
    found: dict[str, NDArray[np.float32]] = {}
    for node in graph.nodes:
        if node.op_type == "Conv" and len(node.input) == 3:
            name = _module(node.input[2])
            weight, bias = graph.value(node.input[1]), graph.value(node.input[2])
            if name.endswith(".shift"):
                part = name.removesuffix(".shift")
                found |= {
                    f"{part}.weight": weight,
                    name: bias,
                    f"{part}.scale": np.ones(len(bias), np.float32),
                }
            else:
                part = name.removesuffix(".bias")
                found |= {f"{part}.weight": weight, name: bias}
        elif node.op_type == "Gemm":
            for name in node.input[1:]:
                found[_module(name)] = graph.value(name)
    makers = [graph.maker[made] for made in _BLEND if made in graph.maker]
    blend = [graph.value(n) for node in makers for n in node.input if n in graph.constants]
    found["heads.blend"] = np.array(blend, np.float32).reshape(-1)
    return found


def _module(name: str) -> str:
    """A parameter's name in `Detector` from that of its tensor."""
    return name.removesuffix("_DequantizeLinear_Output").removeprefix("detector.")


def read_calibration(path: Path) -> Calibration:
    """The calibration inside a detector file. Raises DetectorFileError where there is none."""
    graph = _Graph(onnx.load(path).graph)
    try:
        (scale, wide), shift = _affine(graph, "failure", 2)
        (map_scale,), map_shift = _affine(graph, "map", 1)
    except (KeyError, ValueError) as error:
        raise DetectorFileError(f"{path.name} is not a detector of this trainer: {error}") from None
    return Calibration(scale, wide, shift, map_scale, map_shift)


def _affine(graph: _Graph, output: str, terms: int) -> tuple[list[float], float]:
    """An output that is sigmoid(a x + b y + c), of `terms` terms, as (factors, c). Quantisation leaves out a
    factor of 1 and a sum with 0."""
    total, shift = graph.maker[output].input[0], 0.0
    made = graph.maker[total]
    if made.op_type == "Add" and made.input[1] in graph.constants:
        total, shift = made.input[0], float(graph.value(made.input[1]))
        made = graph.maker[total]
    if terms == 2 and made.op_type != "Add":
        raise ValueError(f"{output} is not calibrated")
    factors = []
    for name in made.input if terms == 2 else [total]:
        product = graph.maker[name]
        scaled = product.op_type == "Mul" and product.input[1] in graph.constants
        factors.append(float(graph.value(product.input[1])) if scaled else 1.0)
    return factors, shift
