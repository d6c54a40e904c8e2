"""The detector: pictures of one size in, failure probabilities out. ONNX Runtime runs it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from layerwatch.vision.errors import ModelError
from layerwatch.vision.evidence import KINDS
from layerwatch.vision.providers import execution_providers

PICTURE_SIZES = range(64, 1025)
"""Input sizes that a model may ask for. A larger one would be a mistake or an attack on memory."""

MAP_SIDES = range(1, 257)
MAX_MODEL_BYTES = 512 * 1024 * 1024

Picture = NDArray[np.uint8]
"""uint8 [S, S, 3], RGB: the whole picture, stretched to the detector's square."""


@dataclass(frozen=True, slots=True)
class RawDetection:
    """What the network says about one picture.

    failure, in_view: probabilities 0..1.  kinds: one probability for each of `KINDS`.
    map: float32 [G, G], failure probability by cell, row by row from the top left.
    version: of the model that says so, where one detector stands for several; else None.
    """

    failure: float
    kinds: tuple[float, ...]
    map: NDArray[np.float32]
    in_view: float
    version: str | None = None


class Detector(Protocol):
    """Anything that can look at pictures: the seam at which tests put a double."""

    @property
    def size(self) -> int:
        """Side S of the pictures that `detect` takes, in pixels."""
        ...

    @property
    def version(self) -> str:
        """Names the model in evidence and logs."""
        ...

    def detect(self, images: Sequence[Picture]) -> list[RawDetection]:
        """Look at one or more pictures, uint8 [S, S, 3] RGB each. Safe to call from several threads."""
        ...


class OnnxDetector:
    """A detector file run by ONNX Runtime.

    The file: input `image` uint8 [N, S, S, 3]; float32 outputs `failure` [N], `kinds` [N, 8], `map` [N, G, G]
    and `in_view` [N], all 0..1; metadata `layerwatch.version`, `.kinds`, `.size`, `.trained`, and of one that
    was trained from feedback `.report` (JSON).
    """

    def __init__(self, path: Path, provider: str = "cpu", threads: int = 1) -> None:
        """Open, check and warm up a model.

        provider: cpu, cuda, tensorrt, openvino or coreml.  threads: CPU threads that share one call; 1
        leaves the cores to calls from several threads, which scales better than sharing one call.
        Raises ModelError when the file is not a detector in this format, computes nonsense, or the provider
        is not available.
        """
        blob = _read(path)
        try:
            self._session = ort.InferenceSession(
                blob, _session_options(threads), providers=execution_providers(provider)
            )
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"{path.name} is not a model that ONNX Runtime can load: {_brief(error)}"
            ) from None
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._size = _checked_size(path, self._session, metadata)
        self._version = metadata.get("layerwatch.version") or hashlib.sha256(blob).hexdigest()[:12]
        self.trained = metadata.get("layerwatch.trained", "")
        self.report = metadata.get("layerwatch.report", "")
        self.sha256 = hashlib.sha256(blob).hexdigest()
        self.path = path
        self._run_options = ort.RunOptions()
        self._warm_up(path)

    @property
    def size(self) -> int:
        return self._size

    @property
    def version(self) -> str:
        return self._version

    @property
    def provider(self) -> str:
        """The execution provider in use, by ONNX Runtime's name."""
        return str(self._session.get_providers()[0])

    def detect(self, images: Sequence[Picture]) -> list[RawDetection]:
        """Look at one or more pictures, uint8 [S, S, 3] RGB each. Raises ModelError on non-finite output."""
        batch = images[0][None] if len(images) == 1 else np.stack(images)
        failure, kinds, maps, in_view = self._session.run(_OUTPUTS, {"image": batch}, self._run_options)
        values = np.concatenate([failure, in_view, kinds.ravel(), maps.ravel()])
        if not (values.min() >= 0.0 and values.max() <= 1.0):  # false for NaN as well
            raise ModelError(f"Model {self._version} gave values outside 0..1. Replace the model file.")
        return [
            RawDetection(
                failure=float(failure[row]),
                kinds=tuple(kinds[row].tolist()),
                map=maps[row],
                in_view=float(in_view[row]),
            )
            for row in range(len(images))
        ]

    def _warm_up(self, path: Path) -> None:
        """Run once, so that the first picture is as fast as the next, and a broken model fails at start."""
        grey = np.full((self._size, self._size, 3), 127, dtype=np.uint8)
        try:
            found = self.detect([grey, grey])
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"{path.name} cannot be run: {_brief(error)}") from None
        side = found[0].map.shape
        if len(side) != 2 or side[0] not in MAP_SIDES or side[1] not in MAP_SIDES:
            raise ModelError(f"{path.name} gives a map of shape {side}; expected rows x columns.")


_OUTPUTS = ["failure", "kinds", "map", "in_view"]


def _session_options(threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads burn a whole core between calls for a few microseconds' gain.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_BYTES:
            raise ModelError(f"{path.name} has {size:,} bytes; a detector has at most {MAX_MODEL_BYTES:,}.")
        blob = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The detector {path} cannot be read: {error.strerror}.") from None
    if not blob:
        raise ModelError(f"The detector {path} is empty.")
    return blob


def _checked_size(path: Path, session: Any, metadata: dict[str, str]) -> int:
    """The model's input size, after its whole interface was compared with the format."""
    expected = "see the format in layerwatch.vision.detector"
    inputs = {node.name: node for node in session.get_inputs()}
    outputs = {node.name: node for node in session.get_outputs()}
    if set(inputs) != {"image"}:
        raise ModelError(f"{path.name} has the inputs {sorted(inputs)}, not just 'image'; {expected}.")
    if missing := set(_OUTPUTS) - set(outputs):
        raise ModelError(f"{path.name} lacks the outputs {sorted(missing)}; {expected}.")
    image = inputs["image"]
    shape = image.shape
    if image.type != "tensor(uint8)" or len(shape) != 4 or shape[3] != 3 or shape[1] != shape[2]:
        raise ModelError(f"{path.name} takes {image.type} {shape}, not uint8 [N, S, S, 3]; {expected}.")
    if shape[1] not in PICTURE_SIZES:
        raise ModelError(f"{path.name} takes pictures of {shape[1]} pixels a side; {expected}.")
    if isinstance(shape[0], int):
        raise ModelError(f"{path.name} has a fixed batch size of {shape[0]}; export it with a free one.")
    for name, rank in zip(_OUTPUTS, (1, 2, 3, 1), strict=True):
        node = outputs[name]
        if node.type != "tensor(float)" or len(node.shape) != rank:
            raise ModelError(f"{path.name}: output {name!r} is {node.type} {node.shape}; {expected}.")
    if outputs["kinds"].shape[1] not in (len(KINDS), None) and not isinstance(outputs["kinds"].shape[1], str):
        raise ModelError(f"{path.name} knows {outputs['kinds'].shape[1]} kinds, not {len(KINDS)}.")
    if metadata.get("layerwatch.kinds", "").split(",") != list(KINDS):
        raise ModelError(
            f"{path.name}: the metadata 'layerwatch.kinds' is not {','.join(KINDS)!r}. "
            "The model was made for another version of Layerwatch."
        )
    if metadata.get("layerwatch.size") != str(shape[1]):
        raise ModelError(f"{path.name}: the metadata 'layerwatch.size' differs from its input, {shape[1]}.")
    return int(shape[1])


def _brief(error: Exception) -> str:
    """First line of an ONNX Runtime error, without its numbered prefix and bounded in length."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
