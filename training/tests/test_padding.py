"""Padding moves into the convolutions without changing what the network computes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from layerwatch_train.padding import fold_padding

RNG = np.random.default_rng(0)


def network(
    amounts: tuple[int, ...] = (0, 0, 0, 0, 0, 0, 1, 1),
    value: float = 0.0,
    mode: str = "constant",
    second_user: bool = False,
    pads: tuple[int, ...] = (0, 0, 0, 0),
) -> onnx.ModelProto:
    """x [1, 3, 8, 8] → pad → 3x3 convolution of stride 2 → y, with random weights."""
    weights = [
        numpy_helper.from_array(np.array(amounts, np.int64), "amounts"),
        numpy_helper.from_array(np.float32(value), "value"),
        numpy_helper.from_array(RNG.normal(size=(4, 3, 3, 3)).astype(np.float32), "w"),
    ]
    nodes = [
        helper.make_node("Pad", ["x", "amounts", "value"], ["padded"], mode=mode),
        helper.make_node(
            "Conv", ["padded", "w"], ["y"], strides=[2, 2], kernel_shape=[3, 3], pads=list(pads)
        ),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "c", "h", "w"])]
    if second_user:
        nodes.append(helper.make_node("Relu", ["padded"], ["z"]))
        outputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", "c", "h", "w"]))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])]
    graph = helper.make_graph(nodes, "padded", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def run(model: onnx.ModelProto) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)
    return np.asarray(session.run(["y"], {"x": x})[0])


@pytest.mark.parametrize("amounts", [(0, 0, 0, 0, 0, 0, 1, 1), (0, 0, 1, 2, 0, 0, 2, 1)])
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 0, 0, 1)])
def test_uneven_padding_becomes_the_convolution_s_own(
    amounts: tuple[int, ...], pads: tuple[int, ...]
) -> None:
    model = network(amounts, pads=pads)
    before = run(model)
    assert fold_padding(model) == 1
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Conv"]
    assert np.allclose(run(model), before, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        network(value=0.5),
        network(mode="reflect"),
        network(second_user=True),
        network(amounts=(0, 0, 0, 0, 0, 0, -1, 0)),
    ],
    ids=["a border that is not zero", "a mirrored border", "a border others use too", "a crop"],
)
def test_what_a_convolution_cannot_do_itself_stays(model: onnx.ModelProto) -> None:
    before = run(model)
    assert fold_padding(model) == 0
    assert np.array_equal(run(model), before)
