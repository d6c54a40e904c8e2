"""Other people's detectors, judged by the same report.

A folder that the user names holds, for each detector, `NAME.onnx` or `NAME.tflite` and beside it `NAME.json`:

    {"input":  {"size": 416, "layout": "nchw", "order": "rgb", "scale": 0.00392156862745098,
                "mean": [0, 0, 0], "std": [1, 1, 1], "fit": "letterbox"},
     "output": {"form": "yolo", "failures": [0]}}

input: the picture is fitted to a square of `size` pixels (`stretch`, `letterbox` with grey bars, or `crop` of
the middle), then (pixel * scale - mean) / std by channel, in the order and layout named. Integer inputs of a
TFLite file get the quantisation that the file states.
output.form: `probability` ([.., classes], or one number), `logits` (softmax over the classes, or one number),
`yolo` ([1, 4 + classes, boxes], class scores), `yolo-objectness` ([1, boxes, 5 + classes] or turned, score
times objectness).
output.failures: the classes that count as failed (default [0]; for one number it is left out).
output.name: which output, if there are several (default: the first).

A picture's score is the highest among its failures. Nothing of the kind is part of this project.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

FORMS = ("probability", "logits", "yolo", "yolo-objectness")
FITS = ("stretch", "letterbox", "crop")
_GREY = 114
"""Bars of a letterbox, as YOLO's own."""

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class DetectorFileError(ValueError):
    """A detector or its description cannot be used. The message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class PublicDetector:
    """One file with its description."""

    name: str
    size: int
    layout: str
    order: str
    scale: float
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    fit: str
    form: str
    failures: tuple[int, ...]
    run: Run

    def score(self, image: NDArray[np.uint8]) -> float:
        """Of a picture [H, W, 3] RGB: how much it looks failed, on the detector's own scale."""
        x = fitted(image, self.size, self.fit).astype(np.float32)
        x = x[..., ::-1] if self.order == "bgr" else x
        x = (x * np.float32(self.scale) - self.mean) / self.std
        x = x.transpose(2, 0, 1) if self.layout == "nchw" else x
        return failure_score(self.run(np.ascontiguousarray(x[None])), self.form, self.failures)


def fitted(image: NDArray[np.uint8], size: int, fit: str) -> NDArray[np.uint8]:
    """[H, W, 3] → [size, size, 3]."""
    height, width = image.shape[:2]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    if fit != "letterbox":
        return _resized(image, size, size)
    ratio = size / max(height, width)
    small = _resized(image, max(1, round(width * ratio)), max(1, round(height * ratio)))
    out = np.full((size, size, 3), _GREY, np.uint8)
    top, left = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out


def _resized(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def failure_score(answer: NDArray[np.float32], form: str, failures: tuple[int, ...]) -> float:
    """One number from what a detector answered, by its `form`."""
    if form in ("probability", "logits"):
        values = answer.reshape(-1).astype(np.float64)
        if len(values) == 1:
            return float(values[0])
        if form == "logits":
            values = np.exp(values - values.max())
            values /= values.sum()
        return float(values[list(failures)].max())
    table = answer.reshape(-1, answer.shape[-1])
    # The longer side are the boxes.
    table = table if table.shape[0] > table.shape[1] else table.T
    if form == "yolo":
        return float(table[:, [4 + n for n in failures]].max())
    return float((table[:, 4:5] * table[:, [5 + n for n in failures]]).max())


def read_detectors(folder: Path) -> list[PublicDetector]:
    """Every detector of the folder, by name. Raises DetectorFileError."""
    files = sorted(p for p in folder.glob("*") if p.suffix in (".onnx", ".tflite"))
    if not files:
        raise DetectorFileError(f"{folder} holds no .onnx or .tflite file")
    return [_read(path) for path in files]


def _read(path: Path) -> PublicDetector:
    beside = path.with_suffix(".json")
    if not beside.is_file():
        raise DetectorFileError(f"{path.name} needs {beside.name} beside it: see `layerwatch_train.public`")
    try:
        text = json.loads(beside.read_text(encoding="utf-8"))
        given, answer = text["input"], text["output"]
        size, form = int(given["size"]), str(answer["form"])
    except (ValueError, KeyError, TypeError) as error:
        raise DetectorFileError(f"{beside.name}: {error!r}") from error
    fit, layout, order = given.get("fit", "stretch"), given.get("layout", "nchw"), given.get("order", "rgb")
    for value, known in ((form, FORMS), (fit, FITS), (layout, ("nchw", "nhwc")), (order, ("rgb", "bgr"))):
        if value not in known:
            raise DetectorFileError(f"{beside.name}: {value!r} is none of {', '.join(known)}")
    load = _onnx if path.suffix == ".onnx" else _tflite
    return PublicDetector(
        path.stem,
        size,
        layout,
        order,
        float(given.get("scale", 1 / 255)),
        np.asarray(given.get("mean", [0, 0, 0]), np.float32),
        np.asarray(given.get("std", [1, 1, 1]), np.float32),
        fit,
        form,
        tuple(int(n) for n in answer.get("failures", [0])),
        load(path, answer.get("name")),
    )


def _onnx(path: Path, output: str | None) -> Run:
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        raise DetectorFileError(f"{path.name} is no ONNX file that can be run: {error}") from error
    (wanted, *_), kinds = session.get_inputs(), {"tensor(uint8)": np.uint8, "tensor(float16)": np.float16}
    kind = kinds.get(wanted.type, np.float32)
    name = output or session.get_outputs()[0].name

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run([name], {wanted.name: x.astype(kind)})[0], np.float32)

    return run


def _tflite(path: Path, output: str | None) -> Run:
    try:
        from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]
    except ImportError as error:
        raise DetectorFileError(f"{path.name} needs `pip install ai-edge-litert`") from error
    interpreter: Any = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    (given, *_), answers = interpreter.get_input_details(), interpreter.get_output_details()
    answer = next((a for a in answers if a["name"] == output), answers[0])

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        scale, zero = given["quantization"]
        if np.issubdtype(given["dtype"], np.integer):
            limits = np.iinfo(given["dtype"])
            x = np.clip(np.round(x / (scale or 1.0) + zero), limits.min, limits.max)
        interpreter.set_tensor(given["index"], x.astype(given["dtype"]))
        interpreter.invoke()
        found = interpreter.get_tensor(answer["index"]).astype(np.float32)
        scale, zero = answer["quantization"]
        return np.asarray((found - zero) * scale if scale else found, np.float32)

    return run
