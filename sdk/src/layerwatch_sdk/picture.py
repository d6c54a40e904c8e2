"""What is checked of a picture before it is sent: cheap, and clearer than the service's refusal."""

from __future__ import annotations

from typing import Union

from layerwatch_sdk.errors import NotJpeg, PictureTooLarge

MAX_PICTURE_BYTES = 6_291_456
"""The contract's limit: 6 MiB."""

Picture = Union[bytes, bytearray, memoryview]

_SIGNS = (
    (b"\x89PNG", "a PNG"),
    (b"GIF8", "a GIF"),
    (b"RIFF", "a WebP or AVI"),
    (b"BM", "a BMP"),
    (b"<", "HTML or XML (the camera's error page?)"),
    (b"{", "JSON (the camera's error message?)"),
    (b"--", "an MJPEG stream's boundary (take one frame out of it)"),
)


def checked_picture(picture: Picture) -> bytes:
    """The picture as bytes, if it can be a JPEG that the service takes.

    Only the first bytes and the length are looked at; whether it decodes is the service's to say.

    Raises: TypeError (not bytes), NotJpeg, PictureTooLarge.
    """
    if not isinstance(picture, (bytes, bytearray, memoryview)):
        raise TypeError(f"a picture is JPEG bytes, not {type(picture).__name__}")
    size = memoryview(picture).nbytes
    if size == 0:
        raise NotJpeg("the picture is empty: 0 bytes; check that the camera is on")
    if size > MAX_PICTURE_BYTES:
        raise PictureTooLarge(
            f"the picture has {size:,} bytes, more than the {MAX_PICTURE_BYTES:,} the service takes; "
            "send a smaller size or a lower JPEG quality (1280x720 is plenty)"
        )
    data = bytes(picture)
    if not data.startswith(b"\xff\xd8\xff"):
        looks = next((f"; it looks like {name}" for sign, name in _SIGNS if data.startswith(sign)), "")
        raise NotJpeg(f"the picture is not a JPEG: it starts with {data[:4].hex(' ')}{looks}")
    return data
