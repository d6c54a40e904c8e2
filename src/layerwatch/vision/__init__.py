"""One picture's bytes to `Evidence`: JPEG decoding, the detector, batching, where and what kind.

`Vision` is the way in; `Detector` is the seam at which another detector fits. Errors:

    VisionError
    ├── ImageDecodeError   the bytes are not one whole, decodable JPEG (the sender's to mend)
    ├── Busy               too much is waiting, or the deadline passed (try again later)
    └── ModelError         the model file or its execution provider cannot be used (the operator's to mend)
"""

from layerwatch.vision.batching import BatchReport
from layerwatch.vision.detector import Detector, OnnxDetector, Picture, RawDetection
from layerwatch.vision.errors import Busy, ImageDecodeError, ModelError, VisionError
from layerwatch.vision.evidence import KINDS, Box, Condition, Evidence, HeatMap
from layerwatch.vision.jpeg.header import MAX_PICTURE_BYTES
from layerwatch.vision.service import Vision

__all__ = [
    "KINDS",
    "MAX_PICTURE_BYTES",
    "BatchReport",
    "Box",
    "Busy",
    "Condition",
    "Detector",
    "Evidence",
    "HeatMap",
    "ImageDecodeError",
    "ModelError",
    "OnnxDetector",
    "Picture",
    "RawDetection",
    "Vision",
    "VisionError",
]
