"""A durable local list of what was done while the database was away: one JSON object a line.

A line counts once it is on the disk (`fsync`). A torn last line was never acknowledged and is dropped. Each
process has a file of its own, locked while it lives; one that starts takes over the files of those that died.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
from contextlib import suppress
from pathlib import Path

from layerwatch.core.private_files import FILE_MODE, create, private_folder, restrict, sync_folder

if sys.platform != "win32":
    import fcntl


class Spool:
    """Lines waiting to be replayed. folder: made with mode 0700 when first needed. Safe across threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._handle: int | None = None
        self._size = 0
        self._replayed = 0
        self.waiting = 0
        """Lines not yet replayed."""

    def append(self, line: bytes) -> None:
        """Keep a line without newlines; it is on the disk when this returns. Raises OSError if it is not."""
        with self._lock:
            handle = self._open()
            try:
                data = line + b"\n"
                written = os.pwrite(handle, data, self._size)
                if written != len(data):
                    raise OSError(f"only {written} of {len(data)} bytes were written")
                os.fsync(handle)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(handle, self._size)
                raise
            self._size += len(data)
            self.waiting += 1

    def next(self, most: int) -> list[bytes]:
        """The oldest lines not yet replayed, at most so many."""
        with self._lock:
            if self._handle is None or self._replayed == self._size:
                return []
            lines: list[bytes] = []
            with self._path.open("rb") as file:
                file.seek(self._replayed)
                while len(lines) < most and file.tell() < self._size:
                    lines.append(file.readline().rstrip(b"\n"))
            return lines

    def replayed(self, lines: list[bytes]) -> None:
        """These, the oldest, are in the database now."""
        with self._lock:
            assert self._handle is not None
            self._replayed += sum(len(line) + 1 for line in lines)
            self.waiting -= len(lines)
            if self._replayed == self._size:
                os.ftruncate(self._handle, 0)
                self._size = self._replayed = 0

    def reject(self, line: bytes, why: str) -> None:
        """Put a line aside that can never be replayed, for a person to look at."""
        private_folder(self._folder)
        path = self._folder / "rejected.txt"
        create(path)
        with path.open("ab") as file:
            file.write(why.encode() + b"\t" + line + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def adopt(self) -> int:
        """Take over the lines of processes that died; how many. Raises OSError."""
        taken = 0
        for path in sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else []:
            if path == self._path:
                continue
            restrict(path)
            handle = os.open(path, os.O_RDWR)
            try:
                if not _lock(handle):
                    continue
                *whole, _torn = path.read_bytes().split(b"\n")
                for line in whole:
                    self.append(line)
                    taken += 1
                # Only now: if we die before, both files hold the lines, and their ids tell them apart.
                path.unlink()
            finally:
                os.close(handle)
        return taken

    def close(self) -> None:
        """Close the file and remove it if it is empty."""
        with self._lock:
            if self._handle is None:
                return
            if self._size == 0:
                self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        if self._handle is None:
            private_folder(self._folder)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, FILE_MODE)
            _lock(handle)
            sync_folder(self._folder)
            self._handle = handle
        return self._handle


def _lock(handle: int) -> bool:
    """Lock the file; the lock ends with its process. False if another live process holds it."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
