"""Multipart body: bounded memory, no exception but ApiError, and the same upload however it is split."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from layerwatch.api.errors import ApiError
from layerwatch.api.multipart import Upload, read_upload
from layerwatch.vision import MAX_PICTURE_BYTES

CONTENT_TYPE = "multipart/form-data; boundary=B"


def check(data: bytes) -> None:
    """The first byte is the size of the chunks, the rest is the body; the boundary is `B`."""
    if not data:
        return
    body, size = data[1:], data[0] + 1
    whole, split = _read(body, len(body) or 1), _read(body, size)
    assert whole == split, (whole, split)


def _read(body: bytes, size: int) -> Upload | None:
    held = 0

    def hold(number: int) -> None:
        nonlocal held
        held += number
        assert held <= MAX_PICTURE_BYTES

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    async def read() -> Upload:
        return await read_upload(CONTENT_TYPE, None, stream(), hold)

    try:
        upload = asyncio.run(read())
    except ApiError:
        return None
    assert len(upload.jpeg) == held <= len(body)
    return upload
