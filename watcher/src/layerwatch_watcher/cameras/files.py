"""Pictures from disk: a folder of frames, or a file of Motion-JPEG."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from layerwatch_watcher.cameras.base import CameraError, CameraSetupError, EndOfPictures, checked
from layerwatch_watcher.cameras.mjpeg import MjpegParser

_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe"})
_CHUNK = 256 * 1024


class FolderCamera:
    """The JPEGs of a folder in name order, each once; `EndOfPictures` after the last.

    newest: give the newest file of the folder each time instead, for a camera that saves its pictures
        there. A newest file that has been given before is an error: the camera has stopped saving.
    """

    def __init__(self, folder: Path, *, newest: bool = False) -> None:
        if not folder.is_dir():
            raise CameraSetupError(f"there is no folder {folder}", "check the path")
        self._folder = folder
        self._newest = newest
        self._paths = self._list()
        if not self._paths and not newest:
            raise CameraSetupError(
                f"{folder} contains no .jpg or .jpeg file",
                "the service reads JPEG only; convert other pictures",
            )
        self._next = 0
        self._given: Optional[tuple[Path, int]] = None
        self.current: Optional[Path] = None
        """The file that the last snapshot came from."""

    def __len__(self) -> int:
        return len(self._paths)

    def _list(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if path.suffix.lower() in _SUFFIXES)

    async def snapshot(self) -> bytes:
        """The next file's bytes. Raises EndOfPictures, or CameraError for a file that is no whole JPEG."""
        path = self._newest_path() if self._newest else self._next_path()
        self.current = path
        try:
            data = await asyncio.get_running_loop().run_in_executor(None, path.read_bytes)
        except OSError as error:
            raise CameraError(f"{path} cannot be read: {error.strerror}") from None
        return checked(data, path.name)

    def _next_path(self) -> Path:
        if self._next >= len(self._paths):
            raise EndOfPictures(f"all {len(self._paths)} pictures of {self._folder} have been seen")
        self._next += 1
        return self._paths[self._next - 1]

    def _newest_path(self) -> Path:
        stamped = [(path.stat().st_mtime_ns, path) for path in self._list()]
        if not stamped:
            raise CameraError(f"{self._folder} contains no picture yet")
        stamp, path = max(stamped)
        if self._given == (path, stamp):
            raise CameraError(
                f"no new picture in {self._folder} since {path.name}", "see that the camera still saves there"
            )
        self._given = (path, stamp)
        return path

    async def close(self) -> None:
        """Nothing to give back."""


class MjpegFileCamera:
    """The frames of a `.mjpeg` file or of Motion-JPEG in AVI, each once, without any other software."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise CameraSetupError(f"there is no file {path}", "check the path")
        self._path = path
        self._frames = self._read()

    def _read(self) -> Iterator[bytes]:
        parser = MjpegParser()
        with self._path.open("rb") as file:
            while piece := file.read(_CHUNK):
                yield from parser.feed(piece)

    async def snapshot(self) -> bytes:
        """The next frame. Raises EndOfPictures."""
        frame = await asyncio.get_running_loop().run_in_executor(None, next, self._frames, None)
        if frame is None:
            raise EndOfPictures(f"{self._path.name} has no further frame")
        return checked(frame, self._path.name)

    async def close(self) -> None:
        """Close the file."""
        self._frames.close()  # type: ignore[attr-defined]


def holds_mjpeg(path: Path) -> bool:
    """True if the file can be read without a video decoder: raw Motion-JPEG, or AVI with it inside."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"\xff\xd8\xff"):
        return True
    return head.startswith(b"RIFF") and head[8:12] == b"AVI " and b"MJPG" in head.upper()
