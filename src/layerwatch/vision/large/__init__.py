"""The large detector: CLIP's image tower under a head of our own.

The tower is not part of Layerwatch. `make_large` takes it from the user's own package index, checks it, and
joins it with the head that is kept here (`head.onnx`) into one detector file."""

from layerwatch.vision.large.make import LICENCE_POSITION, make_large

__all__ = ["LICENCE_POSITION", "make_large"]
