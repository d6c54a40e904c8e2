"""Files of models: in the object store that all nodes share, and a checked copy on each node."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from layerwatch.core.private_files import private_folder, replacing
from layerwatch.learning.errors import LearningError
from layerwatch.storage import ObjectMissing, ObjectStore
from layerwatch.vision.detector import MAX_MODEL_BYTES


class ModelStore:
    """Models by the SHA-256 of their file. folder: where this node keeps its copies.

    A file is checked against its hash whenever its path is asked for: a damaged one is never loaded.
    """

    def __init__(self, objects: ObjectStore, folder: Path) -> None:
        self._objects = objects
        self._folder = folder

    def put(self, source: Path) -> tuple[str, int]:
        """Keep a model file; its SHA-256 and its size in bytes. Raises LearningError, StorageUnavailable."""
        try:
            if source.stat().st_size > MAX_MODEL_BYTES:
                raise LearningError(f"{source} is larger than {MAX_MODEL_BYTES:,} bytes")
            data = source.read_bytes()
        except OSError as error:
            raise LearningError(f"{source} cannot be read: {error.strerror}") from error
        digest = hashlib.sha256(data).hexdigest()
        self._objects.put(_name(digest), data)
        return digest, len(data)

    def path(self, digest: str) -> Path:
        """A file with this model, fetched when it is not here yet or damaged.

        Raises LearningError when the store has no such file or another one under its name.
        """
        path = self._folder / f"{digest}.onnx"
        with suppress(OSError), path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == digest:
                return path
        try:
            data = self._objects.get(_name(digest))
        except ObjectMissing as error:
            raise LearningError(f"the file of model {digest[:12]} is missing: add it again") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise LearningError(f"the file of model {digest[:12]} is damaged: add it again, or roll it back")
        private_folder(self._folder)
        with replacing(path) as copy:
            copy.write(data)
        return path


def _name(digest: str) -> str:
    return f"models/{digest}.onnx"
