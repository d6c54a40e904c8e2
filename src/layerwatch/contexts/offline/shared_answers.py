"""Answers under Idempotency-Keys that are not in the database yet, for every process of this node.

While the database is away a repeat may reach another worker of the same server than the first call did. So
each answer is a small file in a folder that they share, named by its context and key, from the moment when it
counts (its unit is in the spool) until its unit is booked. Finding that there is none takes microseconds.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from layerwatch.contexts.context_id import LIFETIME

if sys.platform != "win32":
    import fcntl

LOCKS = 16
"""Locks that keys are spread over: workers that answer different keys rarely wait for each other."""

_UNFINISHED = ".new"
"""Suffix of an answer whose unit is on its way to the spool."""

LOCK_TIMEOUT_S = 5.0
"""A process that holds a lock writes to the disk; one that was stopped meanwhile must not stop the others."""


class SharedAnswers:
    """The answers of this node. folder: made with mode 0700 when first needed. Safe across processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, context_id: str, key: str) -> str | None:
        """The answer kept under a key of a context, as `Answer.to_json` wrote it."""
        try:
            body = self._path(context_id, key).read_text("utf-8")
            json.loads(body)
        except (OSError, ValueError):  # there is none, or a power cut left a part of it
            return None
        return body

    def keep(self, context_id: str, key: str, body: str, spool: Callable[[], None]) -> str | None:
        """Run `spool` and keep an answer, both or none; or return the answer that is kept already.

        spool: puts the unit on the disk; may raise OSError, which is passed on.
        """
        path = self._path(context_id, key)
        with self._locked(path.name):
            there = self.find(context_id, key)
            if there is not None:
                return there
            written = path.with_suffix(_UNFINISHED)
            try:
                handle = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(body)
                spool()
                # Not flushed: after a power cut the unit is booked anyway, and a repeat is inspected again.
                written.replace(path)
            except BaseException:
                written.unlink(missing_ok=True)
                raise
        return None

    def forget(self, context_id: str, key: str) -> None:
        """The answer is in the database now."""
        path = self._path(context_id, key)
        with suppress(OSError):
            path.unlink(missing_ok=True)
            path.with_suffix(_UNFINISHED).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Delete answers of contexts that have expired, as of units that could not be booked; how many."""
        oldest = time.time() - LIFETIME.total_seconds()
        gone = 0
        for path in self._folder.glob("[!l]*") if self._folder.is_dir() else ():
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    gone += 1
        return gone

    def _path(self, context_id: str, key: str) -> Path:
        return self._folder / hashlib.sha256(f"{context_id} {key}".encode()).hexdigest()

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Hold one of the locks. Raises OSError when another process keeps holding it."""
        for folder in (self._folder.parent, self._folder):  # `parents` are made with another mode
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self._folder / f"lock-{int(name[:8], 16) % LOCKS}"
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _wait_for_lock(handle)
            yield
        finally:
            os.close(handle)  # and with it the lock


def _wait_for_lock(handle: int) -> None:
    if sys.platform == "win32":  # one process serves there
        return
    latest = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > latest:
                raise OSError(errno.EDEADLK, "another process holds the lock of an answer") from None
        time.sleep(0.002)
