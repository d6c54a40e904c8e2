"""The mean of two detectors in one graph: they err on different pictures."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import compose, helper, numpy_helper

SHARE = 2 / 3
"""The large detector's share of the mean of log-odds; the rest is the standard one's. From 2/3 to 9/10
it hardly matters, see docs/model-card.md."""

_CERTAIN = 1e-6
"""Probabilities count as at least so far from 0 and 1."""


def averaged(large: onnx.ModelProto, standard: onnx.ModelProto) -> onnx.ModelProto:
    """A detector like `large` whose failure is the mean of both, as are its kinds; the map is the large
    one's, whether a print is in view the standard one's.

    Both are detector files. Raises ValueError where they are of different operator sets.
    """
    opsets = [{o.domain: o.version for o in model.opset_import} for model in (large, standard)]
    if opsets[0][""] != opsets[1][""]:
        raise ValueError(f"operator sets {opsets[0]['']} and {opsets[1]['']}")
    a, b = (
        compose.add_prefix(model, prefix) for model, prefix in ((large, "large/"), (standard, "standard/"))
    )
    side = standard.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    constants = {
        "shares": np.array([SHARE, 1 - SHARE], np.float32).reshape(2, 1),
        "least": np.float32(_CERTAIN),
        "most": np.float32(1 - _CERTAIN),
        "one": np.float32(1),
        "half": np.float32(0.5),
        "rest": np.array([3, side, side], np.int64),
        "zero": np.array([0], np.int64),
    }
    nodes = [
        *_resized("image", "standard/image"),
        helper.make_node("Identity", ["image"], ["large/image"]),
        *a.graph.node,
        *b.graph.node,
        *_mean_of_log_odds("large/failure", "standard/failure", "failure"),
        helper.make_node("Add", ["large/kinds", "standard/kinds"], ["kinds_together"]),
        helper.make_node("Mul", ["kinds_together", "half"], ["kinds"]),
        helper.make_node("Identity", ["large/map"], ["map"]),
        helper.make_node("Identity", ["standard/in_view"], ["in_view"]),
    ]
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "mean",
            large.graph.input,
            large.graph.output,
            [
                *a.graph.initializer,
                *b.graph.initializer,
                *(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()),
            ],
        ),
        opset_imports=[
            helper.make_opsetid(domain, version) for domain, version in (opsets[1] | opsets[0]).items()
        ],
        ir_version=max(large.ir_version, standard.ir_version),
    )
    made.metadata_props.extend(large.metadata_props)
    onnx.checker.check_model(made)
    return made


def _resized(picture: str, out: str) -> list[onnx.NodeProto]:
    """Nodes from uint8 [N, S, S, 3] to the same at the other detector's size."""
    return [
        helper.make_node("Cast", [picture], ["wide"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Transpose", ["wide"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Shape", [picture], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["count"]),
        helper.make_node("Concat", ["count", "rest"], ["wanted"], axis=0),
        helper.make_node("Resize", ["planes", "", "", "wanted"], ["smaller"], mode="linear"),
        helper.make_node("Round", ["smaller"], ["rounded"]),
        helper.make_node("Transpose", ["rounded"], ["pixels"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["pixels"], [out], to=onnx.TensorProto.UINT8),
    ]


def _mean_of_log_odds(first: str, second: str, out: str) -> list[onnx.NodeProto]:
    """Nodes from two probabilities [N] to one, their log-odds weighted by `shares`."""
    return [
        helper.make_node("Unsqueeze", [first, "zero"], ["row_a"]),
        helper.make_node("Unsqueeze", [second, "zero"], ["row_b"]),
        helper.make_node("Concat", ["row_a", "row_b"], ["both"], axis=0),
        helper.make_node("Clip", ["both", "least", "most"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Div", ["p", "q"], ["odds"]),
        helper.make_node("Log", ["odds"], ["log_odds"]),
        helper.make_node("Mul", ["log_odds", "shares"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "zero"], ["mean"], keepdims=0),
        helper.make_node("Sigmoid", ["mean"], [out]),
    ]
