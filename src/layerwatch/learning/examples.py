"""Pictures behind feedback, as files named by their own hash."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from layerwatch.learning.errors import LearningError

_NAME = re.compile(r"[0-9a-f]{64}")


class ExampleStore:
    """A folder of JPEG files. The same picture is stored once; a name can never leave the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, jpeg: bytes) -> str:
        """Store the picture and return its name. A crash leaves the whole file or none."""
        name = hashlib.sha256(jpeg).hexdigest()
        path = self.path(name)
        if path.exists():
            return name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(jpeg)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)
        return name

    def path(self, name: str) -> Path:
        """Where the picture of this name lies; LearningError when that is no name of a picture."""
        if not _NAME.fullmatch(name):
            raise LearningError(f"{name[:80]!r} is not the name of an example (64 hexadecimal digits)")
        return self._folder / name[:2] / f"{name}.jpg"
