"""From weights to the one ONNX file that the service runs: uint8 pictures in, calibrated probabilities
out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from layerwatch.vision.evidence import KINDS
from layerwatch_train.calibrate import WIDE_SHARE
from layerwatch_train.model import Conv, Detector

OPSET = 17


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling of the failure logit and of the map's logits.

    failure = sigmoid(scale * logit + wide * mean of the map's highest logits + shift);
    map = sigmoid(map_scale * logit + map_shift).
    """

    scale: float = 1.0
    wide: float = 0.0
    shift: float = 0.0
    map_scale: float = 1.0
    map_shift: float = 0.0


class Served(nn.Module):
    """The detector as it is served."""

    def __init__(self, detector: Detector, calibration: Calibration):
        super().__init__()
        self.detector, self.calibration = detector, calibration

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        out = self.detector(image.permute(0, 3, 1, 2))
        c = self.calibration
        cells = out.map.flatten(1)
        wide = torch.topk(cells, int(WIDE_SHARE * cells.shape[1]), dim=1).values.mean(1)
        return (
            torch.sigmoid(out.failure * c.scale + wide * c.wide + c.shift),
            torch.sigmoid(out.kinds),
            torch.sigmoid(out.map * c.map_scale + c.map_shift),
            torch.sigmoid(out.in_view),
        )


def freeze_scales(detector: Detector) -> None:
    """Multiply each convolution's frozen scale into its weights, so that the graph holds plain constants."""
    with torch.no_grad():
        for module in detector.modules():
            if isinstance(module, Conv):
                module.weight.mul_(module.scale[:, None, None, None])
                module.scale.fill_(1.0)


def export(
    weights: dict[str, Tensor],
    variant: str,
    size: int,
    calibration: Calibration,
    out: Path,
    version: str,
    trained: str,
) -> Path:
    """Write the float32 ONNX file `out`. Returns it."""
    detector = Detector(variant)
    detector.load_state_dict(weights)
    freeze_scales(detector.eval())
    served = Served(detector, calibration).eval()
    picture = torch.zeros((1, size, size, 3), dtype=torch.uint8)
    graph = traced(served, picture, "image", out)
    describe(graph, size, version, trained)
    onnx.save(graph, out)
    return out


def traced(served: nn.Module, example: Tensor, name: str, out: Path) -> onnx.ModelProto:
    """Trace `served` into the ONNX file `out`, and read it back.

    name: of the input.  Its first dimension and that of the outputs (failure, kinds, map, in_view) are free.
    """
    names = ["failure", "kinds", "map", "in_view"]
    out.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            served,
            (example,),
            str(out),
            input_names=[name],
            output_names=names,
            dynamic_axes={each: {0: "n"} for each in [name, *names]},
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load(out)


def describe(graph: onnx.ModelProto, size: int, version: str, trained: str) -> None:
    """Write what the service needs to know into the file's metadata."""
    del graph.metadata_props[:]
    for key, value in (
        ("layerwatch.version", version),
        ("layerwatch.kinds", ",".join(KINDS)),
        ("layerwatch.size", str(size)),
        ("layerwatch.trained", trained),
    ):
        graph.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(graph)
