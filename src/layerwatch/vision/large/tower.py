"""Rewrites the packaged CLIP graph: weights stay int8, activations become float, and the picture comes as
bytes.

The graph as packaged quantises its activations, one scale for a whole tensor, which costs the detector much
(cosine similarity 0.92 to 0.97 to what floats give). Here each chain DynamicQuantizeLinear → MatMulInteger
→ Cast → Mul becomes one MatMul with a float activation; ONNX Runtime multiplies the weights out once, when
it loads the file."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

PATCH = 16
"""Pixels a side of the picture's patches, one token each."""

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures that the tower was trained on, by channel, in 0..1."""

_POSITIONS = "vision_model.embeddings.position_embedding.weight"
_OPSET = 17


def tower(packaged: onnx.ModelProto, size: int, block: int) -> onnx.ModelProto:
    """A graph from `image` uint8 [N, size, size, 3] RGB to `tokens` float32 [N, 1 + (size/16)², width]:
    what the transformer's block number `block` (from 1) puts out, the class token first.

    packaged: CLIP's image tower with dynamically quantised MatMuls; it is not changed. Raises ValueError
    where the graph is not of that form."""
    graph = packaged.graph
    constants = {t.name: t for t in graph.initializer}
    nodes, weights = _float_activations(graph.node, constants)
    constants.update(weights)
    for node in nodes:
        if node.op_type == "Gather" and node.input[0] == _POSITIONS:
            node.input[0], node.input[1] = "positions", "positions_order"
    grid = size // PATCH
    positions = interpolated(numpy_helper.to_array(constants[_POSITIONS]), grid)
    order = np.arange(len(positions), dtype=np.int64)[None]
    for name, value in (("positions", positions), ("positions_order", order)):
        constants[name] = numpy_helper.from_array(value, name)
    tokens = f"/vision_model/encoder/layers.{block - 1}/Add_1_output_0"
    entry, entry_constants = _from_bytes(graph.input[0].name)
    constants.update(entry_constants)
    nodes = [*entry, *_needed(nodes, tokens), helper.make_node("Identity", [tokens], ["tokens"])]
    if tokens not in {name for node in nodes for name in node.output}:
        raise ValueError(f"the graph has no transformer block {block}")
    used = {name for node in nodes for name in node.input}
    width = positions.shape[1]
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "tower",
            [helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["n", size, size, 3])],
            [helper.make_tensor_value_info("tokens", onnx.TensorProto.FLOAT, ["n", 1 + grid * grid, width])],
            [tensor for name, tensor in constants.items() if name in used],
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=8,
    )
    onnx.checker.check_model(made)
    return made


def interpolated(trained: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Position embeddings [1 + g², width] → [1 + side², width]: bicubic (a = -0.75, edges repeated), as
    CLIP's users do it; the class token's is kept."""
    grid = round((len(trained) - 1) ** 0.5)
    matrix = _cubic(grid, side)
    image = trained[1:].reshape(grid, grid, -1)
    out = np.einsum("yi,xj,ijw->yxw", matrix, matrix, image).reshape(side * side, -1)
    return np.concatenate([trained[:1], out]).astype(np.float32)


def _cubic(old: int, new: int) -> NDArray[np.float64]:
    """[new, old] weights of cubic interpolation between centres of cells."""
    at = (np.arange(new) + 0.5) * old / new - 0.5
    first = np.floor(at).astype(int)
    matrix = np.zeros((new, old))
    for step in range(-1, 3):
        distance = np.abs(at - (first + step))
        near = (1.25 * distance - 2.25) * distance**2 + 1
        far = ((-0.75 * distance + 3.75) * distance - 6) * distance + 3
        weight = np.where(distance <= 1, near, far)
        np.add.at(matrix, (np.arange(new), np.clip(first + step, 0, old - 1)), weight)
    return matrix


def _float_activations(
    nodes: Iterable[onnx.NodeProto], constants: dict[str, onnx.TensorProto]
) -> tuple[list[onnx.NodeProto], dict[str, onnx.TensorProto]]:
    """Copies of the nodes in order, each dynamically quantised MatMul replaced by one on floats, and the
    constants that these need besides."""
    nodes = list(nodes)
    maker = {name: node for node in nodes for name in node.output}
    reader = {name: node for node in nodes for name in node.input}
    replaced: dict[str, list[onnx.NodeProto]] = {}
    dropped: set[str] = set()
    scales: dict[str, onnx.TensorProto] = {}
    for node in nodes:
        if node.op_type != "MatMulInteger":
            continue
        quantise, weight = maker[node.input[0]], node.input[1]
        cast = reader[node.output[0]]
        scaled = reader[cast.output[0]]
        both = next(maker[name] for name in scaled.input if name != cast.output[0])
        scale = next((name for name in both.input if name in constants), None)
        if quantise.op_type != "DynamicQuantizeLinear" or scale is None or cast.op_type != "Cast":
            raise ValueError(f"{node.name} is not a dynamically quantised MatMul")
        if numpy_helper.to_array(constants[node.input[3]]).any():
            raise ValueError(f"the weights of {node.name} are not centred on zero")
        values = numpy_helper.to_array(constants[scale]).astype(np.float32)
        scales[f"{weight}_by"] = numpy_helper.from_array(values, f"{weight}_by")
        replaced[node.name] = [
            helper.make_node("Cast", [weight], [f"{weight}_cast"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [f"{weight}_cast", f"{weight}_by"], [f"{weight}_float"]),
            helper.make_node("MatMul", [quantise.input[0], f"{weight}_float"], [scaled.output[0]]),
        ]
        dropped |= {quantise.name, cast.name, scaled.name, both.name}
    kept: list[onnx.NodeProto] = []
    for node in nodes:
        if node.name in replaced:
            kept += replaced[node.name]
        elif node.name not in dropped:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            kept.append(copy)
    return kept, scales


def _from_bytes(wanted: str) -> tuple[list[onnx.NodeProto], dict[str, onnx.TensorProto]]:
    """Nodes from `image`, uint8 [N, S, S, 3], to the tower's own input, float32 [N, 3, S, S], and their
    constants."""
    scale = (1 / (255 * np.array(STD))).astype(np.float32).reshape(3, 1, 1)
    shift = (-np.array(MEAN) / np.array(STD)).astype(np.float32).reshape(3, 1, 1)
    nodes = [
        helper.make_node("Cast", ["image"], ["image_float"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Transpose", ["image_float"], ["image_planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["image_planes", "image_scale"], ["image_scaled"]),
        helper.make_node("Add", ["image_scaled", "image_shift"], [wanted]),
    ]
    named = (("image_scale", scale), ("image_shift", shift))
    return nodes, {name: numpy_helper.from_array(value, name) for name, value in named}


def _needed(nodes: list[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """The nodes that `output` depends on, in their order."""
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]
