"""A picture out of an HTTP answer that breaks the protocol's rules.

Some cameras send header names with blanks, or line breaks that HTTP does not allow; a strict client rejects
the whole answer. Here the wrapping is ignored: the first whole JPEG among the bytes is the picture.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64encode
from typing import Mapping, Optional
from urllib.parse import urlsplit

from layerwatch_watcher.cameras.mjpeg import MjpegParser

MAX_ANSWER_BYTES = 16 * 1024 * 1024


async def read_picture(
    url: str,
    *,
    user: str = "",
    password: str = "",
    headers: Optional[Mapping[str, str]] = None,
    tls: Optional[ssl.SSLContext] = None,
) -> Optional[bytes]:
    """The first whole JPEG that a GET of `url` gives; None if there is none. Basic login only.

    The caller sets the time limit. Raises OSError and ssl.SSLError.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    context = (tls or ssl.create_default_context()) if secure else None
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.rpartition("@")[2]
        lines = [f"GET {path} HTTP/1.0", f"Host: {host}", "Accept: image/jpeg", "Connection: close"]
        if user:
            lines.append("Authorization: Basic " + b64encode(f"{user}:{password}".encode()).decode())
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("utf-8", "replace"))
        await writer.drain()
        parser = MjpegParser()
        read = 0
        while read < MAX_ANSWER_BYTES:
            piece = await reader.read(64 * 1024)
            if not piece:
                return None
            read += len(piece)
            frames = parser.feed(piece)
            if frames:
                return frames[0]
        return None
    finally:
        with contextlib.suppress(OSError, RuntimeError):
            writer.transport.abort()
