"""Tower and head in one graph."""

from __future__ import annotations

import onnx
from onnx import compose

from layerwatch.vision.large.tower import PATCH, tower

BLOCK_KEY = "layerwatch.block"
"""In the head's metadata: which of the tower's blocks it reads."""


def joined(packaged: onnx.ModelProto, head: onnx.ModelProto) -> onnx.ModelProto:
    """One detector file: `image` in, `failure`, `kinds`, `map` and `in_view` out.

    packaged: CLIP's graph. head: reads `tokens` [N, 1 + G², width]; its metadata are the detector's, and
    BLOCK_KEY. Raises ValueError where the two do not fit."""
    metadata = {p.key: p.value for p in head.metadata_props}
    try:
        size, block = int(metadata["layerwatch.size"]), int(metadata[BLOCK_KEY])
    except (KeyError, ValueError):
        raise ValueError("the head's metadata lack its size or block") from None
    below = tower(packaged, size, block)
    width = below.graph.output[0].type.tensor_type.shape.dim[2].dim_value
    wanted = [d.dim_value for d in head.graph.input[0].type.tensor_type.shape.dim[1:]]
    if wanted != [1 + (size // PATCH) ** 2, width]:
        raise ValueError(
            f"the head reads tokens of {wanted}, the tower gives {[1 + (size // PATCH) ** 2, width]}"
        )
    head = compose.add_prefix(head, "head/", rename_inputs=False, rename_outputs=False)
    head.ir_version = below.ir_version
    made = compose.merge_models(below, head, io_map=[("tokens", "tokens")])
    del made.metadata_props[:]
    for key, value in metadata.items():
        made.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(made)
    return made
