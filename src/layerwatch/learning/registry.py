"""Which detector is active: candidates, the active one, and the way back."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from layerwatch.core.private_files import private_folder, replacing
from layerwatch.learning.errors import LearningError

PACKAGED = "packaged"
"""The name of the model that ships inside the package; it can always be gone back to."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model known to this installation. `sha256` names its file."""

    sha256: str
    version: str
    added_at: str
    note: str


class ModelRegistry:
    """The models of one installation, in a folder: `<sha256>.onnx` files and `registry.json`.

    The registry is replaced whole, so that a crash leaves the old one or the new one. A model's file is
    checked against its hash whenever its path is asked for: a damaged file is never loaded.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def entries(self) -> list[ModelEntry]:
        """Every model added here, oldest first."""
        return [ModelEntry(**entry) for entry in self._read()["models"]]

    def active(self) -> str:
        """SHA-256 of the active model, or `PACKAGED`."""
        active: str = self._read()["history"][-1]
        return active

    def add(self, source: Path, *, version: str, note: str, at: datetime) -> ModelEntry:
        """Take a copy of a model file as a candidate. Adding it again changes nothing."""
        digest = _sha256(source)
        registry = self._read()
        for known in registry["models"]:
            if known["sha256"] == digest:
                return ModelEntry(**known)
        private_folder(self._folder)
        with replacing(self._folder / f"{digest}.onnx") as file, source.open("rb") as original:
            shutil.copyfileobj(original, file)
        entry = ModelEntry(digest, version, at.isoformat(timespec="seconds"), note)
        registry["models"].append(asdict(entry))
        self._write(registry)
        return entry

    def promote(self, name: str) -> str:
        """Activate a model from the next start on; returns its full name."""
        full = self._resolve(name)
        self.path(full)
        registry = self._read()
        if registry["history"][-1] != full:
            registry["history"].append(full)
            self._write(registry)
        return full

    def rollback(self) -> str:
        """Go back to the model that was active before; returns its name."""
        registry = self._read()
        if len(registry["history"]) < 2:
            raise LearningError("there is no earlier model to go back to: the packaged one is active")
        registry["history"].pop()
        self._write(registry)
        active: str = registry["history"][-1]
        return active

    def path(self, name: str) -> Path | None:
        """The model's file, checked against its hash; None for the packaged model."""
        full = self._resolve(name)
        if full == PACKAGED:
            return None
        path = self._folder / f"{full}.onnx"
        if not path.exists() or _sha256(path) != full:
            raise LearningError(
                f"model {full[:12]} is missing or damaged: add it again, or `layerwatch models rollback`"
            )
        return path

    def _resolve(self, name: str) -> str:
        if name == PACKAGED:
            return name
        found = [entry.sha256 for entry in self.entries() if entry.sha256.startswith(name)]
        if len(found) != 1 or len(name) < 6:
            raise LearningError(
                f"{name!r} is no known model: see `layerwatch models list` (6 digits or more)"
            )
        return found[0]

    def _read(self) -> dict[str, Any]:
        try:
            registry: dict[str, Any] = json.loads((self._folder / "registry.json").read_text("utf-8"))
        except FileNotFoundError:
            return {"models": [], "history": [PACKAGED]}
        except ValueError as error:
            raise LearningError(f"{self._folder / 'registry.json'} is damaged: {error}") from error
        return registry

    def _write(self, registry: dict[str, Any]) -> None:
        private_folder(self._folder)
        with replacing(self._folder / "registry.json") as file:
            file.write(json.dumps(registry, indent=1).encode())


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise LearningError(f"{path} cannot be read: {error.strerror}") from error
