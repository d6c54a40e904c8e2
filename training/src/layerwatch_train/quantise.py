"""int8 static quantisation of a file's first layers: QDQ, weights by channel, ranges from real pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from layerwatch_train.padding import fold_padding

QUANTISED_OPS = ["Conv", "Add", "Clip", "Resize"]

FLOAT_CONVOLUTIONS = 32
"""The last of the graph, which stay in float32 with what follows them: small pictures, wide ranges.
In 8 bits they cost up to 0.02 AUROC on pictures that cameras spoil; in float32, 8 MB and 3 ms."""


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pictures: NDArray[np.uint8]):
        self.feed: Iterator[NDArray[np.uint8]] = iter(pictures)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        picture = next(self.feed, None)
        return None if picture is None else {"image": picture[None]}


def quantise(source: Path, out: Path, pictures: NDArray[np.uint8]) -> Path:
    """Quantise the float32 model `source` to `out`, with ranges from `pictures` [N, S, S, 3]. Returns
    `out`."""
    logging.getLogger().setLevel(logging.ERROR)
    with TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        plain = onnx.load(ready)
        fold_padding(plain)
        onnx.save(plain, ready)
        quantize_static(
            str(ready),
            str(out),
            _Pictures(pictures),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED_OPS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=_in_float(ready),
        )
    kept = {p.key: p.value for p in onnx.load(source).metadata_props}
    graph = onnx.load(out)
    for key, value in kept.items():
        if key not in {p.key for p in graph.metadata_props}:
            graph.metadata_props.add(key=key, value=value)
    onnx.save(graph, out)
    return out


def _in_float(path: Path) -> list[str]:
    """Names of the nodes that stay in float32."""
    nodes = onnx.load(path).graph.node
    convolutions = [at for at, node in enumerate(nodes) if node.op_type == "Conv"]
    first = convolutions[-min(FLOAT_CONVOLUTIONS, len(convolutions) - 1) :][0]
    return [node.name for node in nodes[first:]]
