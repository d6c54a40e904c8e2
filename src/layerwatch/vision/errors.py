"""What can go wrong between a picture's bytes and its evidence."""

from __future__ import annotations

from layerwatch.core.errors import UserError


class VisionError(UserError):
    """Base of everything that `layerwatch.vision` raises on purpose."""


class ImageDecodeError(VisionError, ValueError):
    """The bytes are not one whole JPEG that can be decoded within bounds.

    The message says what is wrong and how to mend it, in words fit for the client that sent the picture.
    """


class Busy(VisionError, RuntimeError):
    """The picture was not inspected: the queue is full, or the answer would be too late."""


class ModelError(VisionError, RuntimeError):
    """The detector's file or its execution provider cannot be used. The message says why."""

    exit_status = 2
