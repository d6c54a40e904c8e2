"""Extract frames from a Motion-JPEG stream, however broken its multipart framing is.

Real cameras announce boundaries that they do not use, send lengths that are off by a few bytes, or omit
the part headers. JPEG markers show where each picture begins and ends, so the parser relies on those and
skips everything between pictures. The same parser reads `.mjpeg` files and
Motion-JPEG in AVI.
"""

from __future__ import annotations

from layerwatch_watcher.cameras import jpeg

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""A picture that has not ended by then is given up: no camera for prints makes one."""


class MjpegParser:
    """Push bytes in with `feed`, get whole frames out. Keeps at most one frame's bytes."""

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._buffer = bytearray()
        self._max = max_frame_bytes
        self._retry_at = 0  # do not walk the same frame again before it has grown by half
        self.dropped = 0
        """Frames that began and were given up because they were cut off or damaged."""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that became whole with `data`, oldest first."""
        self._buffer += data
        frames: list[bytes] = []
        while True:
            if not self._find_start():
                return frames
            if len(self._buffer) < self._retry_at and not _may_end(data):
                return frames
            end = jpeg.end_of(self._buffer)
            if end == jpeg.NEED_MORE:
                if len(self._buffer) > self._max:
                    self._drop()
                    continue
                self._retry_at = len(self._buffer) * 3 // 2
                return frames
            if end == jpeg.BROKEN:
                self._drop()
                continue
            frames.append(bytes(self._buffer[:end]))
            del self._buffer[:end]
            self._retry_at = 0

    def _find_start(self) -> bool:
        start = self._buffer.find(b"\xff\xd8\xff")
        if start < 0:
            del self._buffer[: max(0, len(self._buffer) - 2)]
            return False
        if start:
            del self._buffer[:start]
            self._retry_at = 0
        return True

    def _drop(self) -> None:
        self.dropped += 1
        del self._buffer[:2]
        self._retry_at = 0


def _may_end(data: bytes) -> bool:
    """Whether the newest bytes may hold an end marker; its FF may have come with the bytes before."""
    return data[:1] == b"\xd9" or b"\xff\xd9" in data or b"\xff\xd8" in data
