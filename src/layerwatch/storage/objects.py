"""Objects: bytes under a name, in a folder or in an object store (S3 and compatible ones, GCS, Azure).

For pictures and other files that do not belong into the database. A name is made of segments of letters,
digits, `.`, `_` and `-`, separated by `/`, as in `prints/7/4fk2/000040.jpg`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from layerwatch.core.private_files import private_folder, replacing
from layerwatch.storage.errors import ObjectMissing, StorageUnavailable

MAX_NAME = 200
"""Characters of a name."""

_TRIES = 5
"""Of a write whose folder is removed at the same moment."""

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object as a listing shows it. size: bytes.  written_at: when it was last put."""

    name: str
    size: int
    written_at: datetime


class ObjectStore(Protocol):
    """Keeps objects. Every method may block, and raises StorageUnavailable when the store does not do it.

    Names are checked (`check_name`): ValueError for what is none. Safe to use from several threads.
    """

    def put(self, name: str, data: bytes) -> None:
        """Keep the bytes under the name, whole or not at all; what was there before is replaced."""
        ...

    def get(self, name: str) -> bytes:
        """The bytes under the name. Raises ObjectMissing."""
        ...

    def delete(self, names: Collection[str]) -> None:
        """Delete these objects; missing ones are ignored."""
        ...

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """All objects whose name begins with `folder/`, in no particular order."""
        ...


def check_name(name: str) -> str:
    """The name, if it is valid. Raises ValueError: a name can never leave the store's folder."""
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is not the name of an object")
    return name


class FolderObjects:
    """Objects as files of mode 0600 in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, data: bytes) -> None:
        path = self._path(name)
        try:
            for _ in range(_TRIES - 1):
                with suppress(FileNotFoundError, FileExistsError):  # a deletion removed the folder
                    return self._write(path, data)
            self._write(path, data)
        except OSError as error:
            raise StorageUnavailable(f"{name} cannot be written: {error.strerror}") from error

    def get(self, name: str) -> bytes:
        path = self._path(name)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ObjectMissing(f"there is no object {name}") from error
        except OSError as error:
            raise StorageUnavailable(f"{name} cannot be read: {error.strerror}") from error

    def delete(self, names: Collection[str]) -> None:
        for name in names:
            path = self._path(name)
            try:
                path.unlink(missing_ok=True)
            except NotADirectoryError:
                continue
            except OSError as error:
                raise StorageUnavailable(f"{name} cannot be deleted: {error.strerror}") from error
            self._remove_empty(path.parent)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        for path in self._path(folder).rglob("*"):
            name = path.relative_to(self._folder).as_posix()
            with suppress(OSError):  # deleted meanwhile
                found = path.stat()
                if path.is_file() and _NAME.fullmatch(name):  # else a write that is under way
                    yield ObjectInfo(name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def _write(self, path: Path, data: bytes) -> None:
        private_folder(self._folder)
        private_folder(path.parent)
        with replacing(path) as file:
            file.write(data)

    def _path(self, name: str) -> Path:
        return self._folder / check_name(name)

    def _remove_empty(self, folder: Path) -> None:
        with suppress(OSError):  # not empty
            while folder != self._folder:
                folder.rmdir()
                folder = folder.parent
