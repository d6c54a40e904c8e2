"""The backup file: which names it may hold, and its manifest."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from layerwatch.core.errors import UserError
from layerwatch.core.private_files import replacing

DATABASE = "layerwatch.sqlite3"
"""The database's name in the archive, whatever its file is called."""

FILES = ("secret", "watcher.key")
FOLDERS = ("examples", "models", "objects", "spool")
"""What a data folder holds besides the database, which is in its place only by default."""

MAX_MANIFEST_BYTES = 64 * 2**20
"""About 400,000 pictures."""

_MANIFEST = "manifest.json"
_NAMES = re.compile(
    r"secret|watcher\.key|layerwatch\.sqlite3"
    r"|models/(registry\.json|[0-9a-f]{64}\.onnx)"
    r"|examples/([0-9a-f]{2})/\2[0-9a-f]{62}\.jpg"
    r"|objects/examples/[0-9]+/[0-9a-z]+/[0-9a-f]{64}\.jpg"
    r"|objects/models/[0-9a-f]{64}\.onnx"
    r"|spool/([0-9]+-[0-9a-f]{8}\.jsonl|rejected\.txt)"
)
"""Every name that an archive may hold: none of them leaves its folder."""

_CHUNK = 2**20


Kind = Literal["sqlite", "postgresql"]


class BackupError(UserError):
    """A backup cannot be made or restored; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A file of the archive. bytes: its size. sha256: hexadecimal."""

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """What an archive holds. tables: version of the database's tables; None for a PostgreSQL installation."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1]
    layerwatch: str
    made_at: str
    database: Kind
    tables: str | None
    files: dict[str, ArchiveEntry]


class Writer:
    """Adds files to a new archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.entries: dict[str, ArchiveEntry] = {}

    def add(self, name: str, source: Path) -> None:
        """Copy a file. Raises OSError, and BackupError when no backup may hold that name."""
        with source.open("rb") as file:
            self._copy(name, file)

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a file with this content."""
        self._copy(name, io.BytesIO(content))

    def finish(self, *, layerwatch: str, made_at: str, database: Kind, tables: str | None) -> Manifest:
        """Write the manifest."""
        manifest = Manifest(
            format=1,
            layerwatch=layerwatch,
            made_at=made_at,
            database=database,
            tables=tables,
            files=self.entries,
        )
        self._archive.writestr(_info(_MANIFEST), manifest.model_dump_json(indent=1))
        return manifest

    def _copy(self, name: str, file: BinaryIO) -> None:
        if not _NAMES.fullmatch(name):
            raise BackupError(f"{name} does not belong into a data folder: move it away")
        digest, size = hashlib.sha256(), 0
        with self._archive.open(_info(name), "w", force_zip64=True) as copy:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                copy.write(chunk)
        self.entries[name] = ArchiveEntry(size, digest.hexdigest())


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A new archive of mode 0600, which is at `path` once the block has ended well. Raises OSError."""
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        yield Writer(archive)


class Reader:
    """An archive that was checked: it holds the files of its manifest and no others, in their sizes."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    def extract(self, name: str, target: Path) -> None:
        """Write one file, with mode 0600. Raises BackupError when it is not the one of the manifest."""
        expected, digest = self.manifest.files[name], hashlib.sha256()
        with self._archive.open(name) as file, replacing(target) as copy:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                copy.write(chunk)
            if digest.hexdigest() != expected.sha256:
                raise BackupError(f"{name} in the backup is damaged: its SHA-256 is not the manifest's")


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Open an archive. Raises BackupError when it is none, or damaged, or holds what no backup holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield Reader(archive, _checked(archive, path.stat().st_size))
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise BackupError(f"{path} is damaged or no backup: {error}") from error


def _checked(archive: zipfile.ZipFile, size: int) -> Manifest:
    members = archive.infolist()
    # Nothing is compressed or counted twice, so that no archive unpacks to more than its own size.
    if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
        raise BackupError("the backup holds compressed or encrypted files: it was not made by this command")
    if sum(member.file_size for member in members) > size:
        raise BackupError("the backup's sizes do not add up: it is damaged")
    sizes = {member.filename: member.file_size for member in members}
    if len(sizes) != len(members):
        raise BackupError("the backup holds a file twice: it was not made by this command")
    for name in sizes:
        if name != _MANIFEST and not _NAMES.fullmatch(name):
            raise BackupError(f"the backup holds {name[:80]!r}, which does not belong into one")
    manifest = _manifest(archive, sizes.pop(_MANIFEST, None))
    if sizes != {name: entry.bytes for name, entry in manifest.files.items()}:
        raise BackupError("the backup's files are not those of its manifest")
    if (DATABASE in sizes) != (manifest.database == "sqlite"):
        raise BackupError("the backup's database is missing")
    return manifest


def _manifest(archive: zipfile.ZipFile, size: int | None) -> Manifest:
    if size is None or size > MAX_MANIFEST_BYTES:
        raise BackupError(f"this is no backup: it has no {_MANIFEST}")
    try:
        return Manifest.model_validate_json(archive.read(_MANIFEST))
    except ValidationError as error:
        raise BackupError(f"the backup's {_MANIFEST} is damaged, or of a newer version") from error


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o600 << 16
    return info
