"""Which detector file to run: the packaged one, in the precision that this machine runs best."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from layerwatch.vision.detector import OnnxDetector
from layerwatch.vision.errors import ModelError

FP32_FILE = "detector.onnx"
INT8_FILE = "detector.int8.onnx"

LARGE_FILE = "detector.large.onnx"
"""What `layerwatch models get large` makes, in the folder of models."""

INT8_GAIN = 0.9
"""int8 is chosen when it takes at most this share of fp32's time: machines without dot-product instructions
(VNNI, Arm dot product) run it slower, and at a draw the more precise file is better."""

_TRIALS = 5


def packaged_models() -> list[Path]:
    """The detector files in this package that exist, fp32 first."""
    folder = Path(__file__).parent
    return [path for path in (folder / FP32_FILE, folder / INT8_FILE) if path.is_file()]


def large_file(folder: Path) -> Path:
    """The large detector in the folder of models. Raises ModelError when it was not made yet."""
    path = folder / LARGE_FILE
    if not path.is_file():
        raise ModelError(
            f"There is no large detector at {path}. Run `layerwatch models get large`, or set detector to "
            "'standard'."
        )
    return path


def choose_model(provider: str = "cpu") -> OnnxDetector:
    """Open the packaged detector; with both precisions there, the one that runs faster here.

    The choice is measured (a fraction of a second), not guessed from the processor's name. Accelerators get
    fp32. Raises ModelError when the package holds no detector.
    """
    paths = packaged_models()
    if not paths:
        raise ModelError(
            "This installation holds no detector.onnx. Install the layerwatch wheel, train one with "
            "`layerwatch-train`, or name a model file."
        )
    if len(paths) == 1 or provider != "cpu":
        return OnnxDetector(paths[0], provider)
    # One after the other: the second takes over the memory that the first has left.
    fp32_takes = best_time(OnnxDetector(paths[0], provider))
    int8 = OnnxDetector(paths[1], provider)
    return int8 if best_time(int8) <= INT8_GAIN * fp32_takes else OnnxDetector(paths[0], provider)


def best_time(detector: OnnxDetector) -> float:
    """Seconds for one picture: the best of a few trials, which other load disturbs least."""
    noise = np.random.default_rng(0).integers(0, 256, (detector.size, detector.size, 3), dtype=np.uint8)
    times = []
    for _ in range(_TRIALS):
        began = time.perf_counter()
        detector.detect([noise])
        times.append(time.perf_counter() - began)
    return min(times)
