"""The camera protocol: a source of JPEG pictures.

A camera is asked every 20-40 s, so none of them holds a stream open between two pictures: one slow
Wi-Fi camera must not cost bandwidth all day, and a stream that died in the night is no problem when
each picture opens its own.

Exceptions::

    CameraError              no picture this time; the message says why, `hint` what to try
    ├── CameraSetupError     it will not work until somebody changes the configuration
    └── EndOfPictures        a folder or a video came to its end
"""

from __future__ import annotations

from typing import Protocol

from layerwatch_sdk import MAX_PICTURE_BYTES
from layerwatch_watcher.cameras import jpeg


class CameraError(Exception):
    """A snapshot failed. `str()` says what happened, `hint` what the user can do about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class CameraSetupError(CameraError):
    """The camera's configuration is wrong; a retry does not help."""


class EndOfPictures(CameraError):
    """The folder or video has ended."""


class Camera(Protocol):
    """Takes pictures. Implementations need no base class."""

    async def snapshot(self) -> bytes:
        """One whole JPEG, at most `MAX_PICTURE_BYTES`.

        Raises CameraError when there is none, EndOfPictures when there will be none.
        """
        ...

    async def close(self) -> None:
        """Release connections and processes. Safe to call twice."""
        ...


def checked(data: bytes, source: str, content_type: str = "") -> bytes:
    """`data` if it is a complete JPEG within the size limit. Raises CameraError otherwise."""
    if not jpeg.starts_as_jpeg(data):
        what, hint = jpeg.describe(data, content_type)
        raise CameraError(f"{source} returned {what} instead of a JPEG picture", hint)
    if not jpeg.is_whole(data):
        raise CameraError(
            f"the picture from {source} is cut off after {len(data):,} bytes",
            "possible causes: a weak Wi-Fi link, or a camera that serves two viewers at once",
        )
    if len(data) > MAX_PICTURE_BYTES:
        raise CameraError(
            f"the picture from {source} has {len(data):,} bytes; the limit is {MAX_PICTURE_BYTES:,}",
            "lower the camera's resolution; 1280x720 is more than enough",
        )
    return data
