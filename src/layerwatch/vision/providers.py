"""Names of ONNX Runtime's execution providers, and what to install when one is missing."""

from __future__ import annotations

import onnxruntime as ort

from layerwatch.vision.errors import ModelError

PROVIDERS: dict[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
"""Name in the configuration → name in ONNX Runtime."""

_PACKAGES = {
    "cpu": "onnxruntime",
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu (with TensorRT's libraries)",
    "openvino": "onnxruntime-openvino",
    "coreml": "onnxruntime (on macOS)",
}
_FALLBACKS = {"tensorrt": ["CUDAExecutionProvider"]}


def execution_providers(name: str) -> list[str]:
    """ONNX Runtime's providers for a configured name, best first; the CPU takes what the others cannot.

    Raises ModelError when the name is unknown or this ONNX Runtime was built without it.
    """
    wanted = PROVIDERS.get(name.lower())
    if wanted is None:
        raise ModelError(f"Unknown provider {name!r}. Known: {', '.join(PROVIDERS)}.")
    available = ort.get_available_providers()
    if wanted not in available:
        have = [short for short, long in PROVIDERS.items() if long in available]
        raise ModelError(
            f"Provider {name!r} is not available in this ONNX Runtime (available: {', '.join(have)}). "
            f"Install {_PACKAGES[name.lower()]} in its place, or set the provider to 'cpu'."
        )
    chain = [wanted, *_FALLBACKS.get(name.lower(), []), "CPUExecutionProvider"]
    return [provider for provider in dict.fromkeys(chain) if provider in available]
