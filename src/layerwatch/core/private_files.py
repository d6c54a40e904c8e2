"""Files and folders that only their owner may read: the one place that makes those of the data folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def private_folder(folder: Path) -> Path:
    """Make a folder of mode 0700, and parents that are missing; an existing one gets that mode. Returns it.

    Only for folders that belong to Layerwatch alone. One of another user is left as it is. Raises OSError
    when the folder cannot be made.
    """
    if not folder.parent.exists():
        private_folder(folder.parent)
    folder.mkdir(exist_ok=True, mode=FOLDER_MODE)
    _restrict(folder, FOLDER_MODE)
    return folder


def restrict(path: Path) -> None:
    """Give an existing file mode 0600; nothing happens where there is none. Does not open it."""
    with suppress(FileNotFoundError):
        _restrict(path, FILE_MODE)


def create(path: Path) -> None:
    """Make an empty file of mode 0600 where there is none; an existing one gets that mode. Raises OSError."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE))
    except FileExistsError:
        restrict(path)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file of mode 0600 that replaces `path` at the end of the block, whole and on the disk.

    If the block raises, or the disk is full, `path` is as before and nothing is left beside it. The folder
    must exist. Raises OSError.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    written = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, so that a new file survives a power cut. Raises OSError."""
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _restrict(path: Path, mode: int) -> None:
    if path.stat().st_mode & 0o777 != mode:
        with suppress(PermissionError):
            path.chmod(mode)
