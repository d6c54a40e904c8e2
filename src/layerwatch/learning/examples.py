"""Pictures behind feedback, as files named by their own hash."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from layerwatch.core.private_files import FILE_MODE, private_folder, replacing
from layerwatch.learning.errors import LearningError

if sys.platform != "win32":
    import fcntl

ORPHAN_S = 3600.0
"""A file without feedback that is older is removed. A younger one's may be in an unconfirmed commit."""

BATCH = 200
"""Names in one query for their feedback."""

_NAME = re.compile(r"[0-9a-f]{64}")

FindUsed = Callable[[Collection[str]], Collection[str]]
"""Which of these names any feedback refers to."""


class ExampleStore:
    """A folder of JPEG files. The same picture is stored once; a name can never leave the folder.

    A file is written before the row that refers to it, and removed after. Adding a row holds the store's lock
    until the commit; removing files waits for that, also in other processes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, jpeg: bytes) -> str:
        """Store the picture and return its name. Within `adding`. A crash leaves the whole file or none.

        Raises OSError, and leaves nothing behind, when the disk is full.
        """
        name = hashlib.sha256(jpeg).hexdigest()
        path = self.path(name)
        if path.exists():
            return name
        private_folder(path.parent)
        try:
            with replacing(path) as file:
                file.write(jpeg)
        except OSError:
            self._remove_empty(path.parent)
            raise
        return name

    def path(self, name: str) -> Path:
        """Where the picture of this name lies; LearningError when that is no name of a picture."""
        if not _NAME.fullmatch(name):
            raise LearningError(f"{name[:80]!r} is not the name of an example (64 hexadecimal digits)")
        return self._folder / name[:2] / f"{name}.jpg"

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Until the block ends no file is removed. Several may add at a time. Raises OSError."""
        private_folder(self._folder)
        with self._locked(exclusive=False):
            yield

    def remove(self, names: Collection[str], find_used: FindUsed) -> int:
        """Remove those files that no feedback refers to; how many. Waits for feedback that is being added."""
        paths = [self.path(name) for name in names]
        if not any(path.exists() for path in paths):
            return 0
        removed = 0
        with self._locked(exclusive=True):
            used = find_used(names)
            for path in paths:
                if path.stem not in used and path.exists():
                    path.unlink()
                    self._remove_empty(path.parent)
                    removed += 1
        return removed

    def remove_orphans(self, find_used: FindUsed) -> int:
        """Remove files that are older than `ORPHAN_S` and that no feedback refers to; how many.

        Among them are what a crash left behind, and pictures whose feedback another node deleted.
        """
        removed = 0
        names: list[str] = []
        oldest = time.time() - ORPHAN_S
        for path in sorted(self._folder.glob("[0-9a-f][0-9a-f]/*")):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime > oldest:
                    continue
                if _NAME.fullmatch(path.stem) and path.suffix == ".jpg":
                    names.append(path.stem)
                else:  # a write that a crash broke off
                    path.unlink()
                    removed += 1
            if len(names) == BATCH:
                removed += self.remove(names, find_used)
                names = []
        return removed + self.remove(names, find_used)

    @contextmanager
    def _locked(self, *, exclusive: bool) -> Iterator[None]:
        if sys.platform == "win32":  # one process there, and a picture that is taken away is only missed
            yield
            return
        handle = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, FILE_MODE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield
        finally:
            os.close(handle)

    @staticmethod
    def _remove_empty(folder: Path) -> None:
        with suppress(OSError):
            folder.rmdir()
