"""Stand-in detector files in the real format, with random weights. They detect nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from layerwatch.vision import KINDS


class _Graph:
    """Collects nodes and weights; each call returns the name of its output."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, value: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: object) -> str:
        name = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def conv(self, x: str, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> str:
        fan_in = inputs // groups * kernel * kernel
        shape = (outputs, inputs // groups, kernel, kernel)
        weights = self.rng.normal(0, (2.0 / fan_in) ** 0.5, shape).astype(np.float32)
        x = self.node(
            "Conv",
            x,
            self.weight(weights),
            self.weight(np.zeros(outputs, np.float32)),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
            group=groups,
        )
        return self.node("Clip", x, self.weight(np.float32(0.0)), self.weight(np.float32(6.0)))


# (expansion, channels, repeats, stride, kernel): about the work of EfficientNet-Lite0
COMPARABLE = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
TINY = ((1, 8, 1, 2, 3), (2, 16, 1, 2, 3), (2, 16, 1, 2, 3))


def build_model(
    size: int = 64,
    stages: tuple[tuple[int, int, int, int, int], ...] = TINY,
    *,
    seed: int = 0,
    kinds: int = len(KINDS),
    metadata: dict[str, str] | None = None,
) -> onnx.ModelProto:
    """A detector with random weights. metadata: replaces the usual entries of the same names."""
    graph = _Graph(seed)
    x = graph.node("Cast", "image", to=TensorProto.FLOAT)
    x = graph.node("Transpose", x, perm=[0, 3, 1, 2])
    x = graph.node("Sub", x, graph.weight(np.float32(127.0)))
    x = graph.node("Div", x, graph.weight(np.float32(128.0)))
    channels = 8 if stages is TINY else 32
    x = graph.conv(x, 3, channels, 3, 2)
    for expansion, outputs, repeats, stride, kernel in stages:
        for repeat in range(repeats):
            wide = channels * expansion
            if expansion > 1:
                x = graph.conv(x, channels, wide, 1)
            x = graph.conv(x, wide, wide, kernel, stride if repeat == 0 else 1, groups=wide)
            x = graph.conv(x, wide, outputs, 1)
            channels = outputs
    cells = graph.node("ReduceMean", x, axes=[1], keepdims=0)
    graph.node("Sigmoid", cells, output="map")
    pooled = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    heads = (("failure", 1), ("in_view", 1), ("kinds", kinds))
    for name, width in heads:
        head = graph.rng.normal(0, 0.5, (channels, width)).astype(np.float32)
        y = graph.node("Sigmoid", graph.node("MatMul", pooled, graph.weight(head)))
        if width == 1:
            graph.node("Squeeze", y, graph.weight(np.array([1], np.int64)), output=name)
        else:
            graph.node("Identity", y, output=name)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "stand-in",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", size, size, 3])],
            [
                helper.make_tensor_value_info("failure", TensorProto.FLOAT, ["N"]),
                helper.make_tensor_value_info("kinds", TensorProto.FLOAT, ["N", kinds]),
                helper.make_tensor_value_info("map", TensorProto.FLOAT, ["N", "G", "H"]),
                helper.make_tensor_value_info("in_view", TensorProto.FLOAT, ["N"]),
            ],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    entries = {
        "layerwatch.version": "stand-in",
        "layerwatch.kinds": ",".join(KINDS),
        "layerwatch.size": str(size),
        "layerwatch.trained": "2026-11-22",
    }
    helper.set_model_props(model, entries | (metadata or {}))
    return model


def save_model(path: Path, **options: object) -> Path:
    """Write `build_model(**options)` to `path`."""
    path.write_bytes(build_model(**options).SerializeToString())  # type: ignore[arg-type]
    return path
