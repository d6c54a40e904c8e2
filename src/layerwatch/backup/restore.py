"""Bringing an installation back from a backup. Its servers are stopped."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from layerwatch.backup.archive import DATABASE, FILES, FOLDERS, BackupError, Manifest, Reader, reading
from layerwatch.backup.create import database_file, kind_of, restore_command
from layerwatch.config import Settings
from layerwatch.core.private_files import private_folder
from layerwatch.storage.migrate import newest


@dataclass(frozen=True, slots=True)
class Restored:
    """set_aside: folders with what was there before. next_step: the command for the rest, if there is one."""

    manifest: Manifest
    set_aside: list[Path]
    next_step: str | None


def restore(settings: Settings, path: Path, now: datetime, *, force: bool) -> Restored:
    """Put a backup in the place that the settings name.

    Everything is unpacked and checked before anything changes. What was there is set aside beside it, only
    with `force`. Raises BackupError, and OSError when a disk is full; nothing has changed then.
    """
    with reading(path) as archive:
        kind = kind_of(settings)
        if archive.manifest.database != kind:
            raise BackupError(
                f"the backup is of an installation on {archive.manifest.database}, the settings name {kind}"
            )
        tables = archive.manifest.tables
        if tables is not None and tables > newest():
            raise BackupError(
                f"the backup's tables have version {tables}, newer than {newest()}: upgrade Layerwatch first"
            )
        folder = private_folder(settings.data_dir)
        targets = {name: folder / name for name in (*FILES, *FOLDERS)}
        if kind == "sqlite":
            targets[DATABASE] = database_file(settings)
        there = _there(targets.values())
        if there and not force:
            raise BackupError(f"{', '.join(map(str, there))} would be overwritten: add --force")
        if kind == "sqlite":
            _refuse_if_in_use(targets[DATABASE])
        with _unpacked(archive, targets) as unpacked:
            set_aside = [_set_aside(each, now) for each in _there(targets.values())]
            for name, source in unpacked.items():
                source.rename(targets[name])
    command = None if kind == "sqlite" else restore_command(settings, path)
    return Restored(archive.manifest, sorted(set(set_aside)), command)


@contextmanager
def _unpacked(archive: Reader, targets: dict[str, Path]) -> Iterator[dict[str, Path]]:
    """Every file and folder of the archive, checked, on the disk on which it will be."""
    places: dict[Path, Path] = {}
    try:
        unpacked: dict[str, Path] = {}
        for name in archive.manifest.files:
            top = name.partition("/")[0]
            parent = targets[top].parent
            if parent not in places:
                parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                places[parent] = Path(tempfile.mkdtemp(prefix=".restore-", dir=parent))  # mode 0700
            private_folder((places[parent] / name).parent)
            archive.extract(name, places[parent] / name)
            unpacked[top] = places[parent] / top
        if DATABASE in unpacked:
            _check_database(unpacked[DATABASE])
        yield unpacked
    finally:
        for place in places.values():
            shutil.rmtree(place, ignore_errors=True)


def _check_database(file: Path) -> None:
    try:
        with closing(sqlite3.connect(file)) as connection:
            sound = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError:
        sound, orphan = False, None
    if not sound or orphan is not None:
        raise BackupError("the database in the backup is damaged")


def _refuse_if_in_use(database: Path) -> None:
    """A server keeps the database open, and SQLite leaves WAL mode only for its last user."""
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=1)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise BackupError(f"{database} is in use ({error}): stop its servers first") from error
    except sqlite3.DatabaseError:
        return  # it is damaged: that is what backups are for


def _there(paths: Iterable[Path]) -> list[Path]:
    """Those that exist; of a database also the files beside it."""
    return [
        each
        for path in paths
        for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))
        if each.exists()
    ]


def _set_aside(path: Path, now: datetime) -> Path:
    """Move it into a folder beside it; that folder."""
    folder = private_folder(path.parent / f"before-restore-{now:%Y%m%dT%H%M%SZ}")
    path.rename(folder / path.name)
    return folder
