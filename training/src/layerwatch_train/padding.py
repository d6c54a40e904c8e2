"""Moves padding into the convolutions that follow it, which computes the same for less.

"SAME" padding before a strided convolution is uneven, so PyTorch exports it as a node of its own. ONNX
Runtime merges such a node into a float convolution, but not into a quantised one: there it dequantises the
network's largest tensors, pads them as floats and quantises them again. Measured on the int8 Lite0 at 320
pixels: 11.9 ms a picture before and 8.9 after, 54 MB of working memory before and 16 after.
"""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper


def fold_padding(model: onnx.ModelProto) -> int:
    """Replace every constant zero `Pad` of rows and columns whose only user is a `Conv` by that convolution's
    own `pads`. Changes `model`; returns how many were replaced."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    folded = 0
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        after = users.get(pad.output[0], [])
        amounts = _zero_border(pad, constants)
        if (
            amounts is None
            or len(after) != 1
            or after[0].op_type != "Conv"
            or after[0].input[0] != pad.output[0]
        ):
            continue
        conv = after[0]
        if any(a.name == "auto_pad" and a.s != b"NOTSET" for a in conv.attribute):
            continue
        own = next((list(a.ints) for a in conv.attribute if a.name == "pads"), [0, 0, 0, 0])
        kept = [a for a in conv.attribute if a.name != "pads"]
        del conv.attribute[:]
        conv.attribute.extend(kept)
        pads = [a + b for a, b in zip(amounts, own, strict=True)]
        conv.attribute.append(helper.make_attribute("pads", pads))
        conv.input[0] = pad.input[0]
        graph.node.remove(pad)
        folded += 1
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
    return folded


def _zero_border(pad: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> list[int] | None:
    """Top, left, bottom, right of a border of zeros around rows and columns; None if it is anything else."""
    mode = next((a.s for a in pad.attribute if a.name == "mode"), b"constant")
    if mode != b"constant" or len(pad.input) > 3 or pad.input[1] not in constants:
        return None
    if len(pad.input) == 3 and pad.input[2]:
        value = constants.get(pad.input[2])
        if value is None or numpy_helper.to_array(value).any():
            return None
    amounts = [int(n) for n in numpy_helper.to_array(constants[pad.input[1]])]
    if len(amounts) != 8 or any(amounts[i] for i in (0, 1, 4, 5)) or min(amounts) < 0:
        return None
    return [amounts[i] for i in (2, 3, 6, 7)]
