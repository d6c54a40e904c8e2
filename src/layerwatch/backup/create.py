"""Making a backup, also while servers run."""

from __future__ import annotations

import shlex
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import make_url

from layerwatch import __version__
from layerwatch.backup.archive import DATABASE, FILES, BackupError, Kind, Manifest, Writer, writing
from layerwatch.config import Settings

BUSY_MS = 30_000
"""A snapshot waits as long for a writer that holds the whole database."""

_TRIES = 5


@dataclass(frozen=True, slots=True)
class BackedUp:
    """manifest: what is in the file. next_step: the command for the rest; None if there is none."""

    manifest: Manifest
    next_step: str | None
    has_secret: bool


def back_up(settings: Settings, path: Path, now: datetime) -> BackedUp:
    """Write the installation's backup to `path`, which is replaced only by a whole one.

    Raises BackupError when there is nothing to back up or a file cannot be read, OSError when `path` cannot
    be written.
    """
    kind = kind_of(settings)
    folder = settings.data_dir
    with writing(path) as archive:
        # In this order: what is booked from the spool meanwhile is in the snapshot, too, and counts once. And
        # a row in the snapshot has its picture, because pictures are written first; one that was deleted
        # before it is copied is left out.
        _add_spool(archive, folder / "spool")
        tables = None
        if kind == "sqlite":
            with _snapshot(database_file(settings), path.parent) as snapshot:
                archive.add(DATABASE, snapshot)
                tables = tables_version(snapshot)
        for pattern in ("examples/??/*.jpg", "objects/examples/*/*/*.jpg"):
            for source in sorted(folder.glob(pattern)):
                with suppress(FileNotFoundError):
                    archive.add(source.relative_to(folder).as_posix(), source)
        # The registry of earlier versions before the files that it names, because a model's file is written
        # first. Kept pictures of prints are left out: they can be many, and are no loss.
        for pattern in ("models/registry.json", "models/*.onnx", "objects/models/*.onnx"):
            for source in sorted(folder.glob(pattern)):
                archive.add(source.relative_to(folder).as_posix(), source)
        for name in FILES:
            if (folder / name).is_file():
                archive.add(name, folder / name)
        manifest = archive.finish(
            layerwatch=__version__,
            made_at=now.isoformat(timespec="seconds"),
            database=kind,
            tables=tables,
        )
    dump = None if kind == "sqlite" else dump_command(settings, path)
    return BackedUp(manifest, dump, has_secret="secret" in manifest.files)


def kind_of(settings: Settings) -> Kind:
    """Which kind of database the settings name."""
    return "sqlite" if make_url(settings.database_url).get_backend_name() == "sqlite" else "postgresql"


def database_file(settings: Settings) -> Path:
    """The SQLite database's file."""
    return Path(str(make_url(settings.database_url).database))


def dump_command(settings: Settings, path: Path) -> str:
    """The command that backs the PostgreSQL database up. It has no password: PGPASSWORD or a prompt does."""
    address = shlex.quote(_without_password(settings))
    return f"pg_dump --format=custom --file={shlex.quote(str(dump_file(path)))} --dbname={address}"


def restore_command(settings: Settings, path: Path) -> str:
    """The commands that restore what `dump_command` wrote, over whatever tables there are.

    `pg_restore --clean` cannot: it fails on the keys of partitions.
    """
    address, file = shlex.quote(_without_password(settings)), shlex.quote(str(dump_file(path)))
    empty = f"psql --dbname={address} --command='DROP SCHEMA public CASCADE' --command='CREATE SCHEMA public'"
    return f"{empty} && pg_restore --no-owner --single-transaction --dbname={address} {file}"


def dump_file(path: Path) -> Path:
    """Where the PostgreSQL database's own backup is, beside the installation's."""
    return path.with_name(f"{path.name}.dump")


def tables_version(database: Path) -> str | None:
    """Version of the tables in a SQLite file that no other process uses; None without tables."""
    with closing(sqlite3.connect(database)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return None
        return None if row is None else str(row[0])


@contextmanager
def _snapshot(database: Path, folder: Path) -> Iterator[Path]:
    """A copy of the database at one moment. Its servers go on reading and writing."""
    if not database.is_file():
        raise BackupError(f"there is no database {database}: is this the server's data folder?")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=folder) as place:  # mode 0700
        copy = Path(place) / DATABASE
        try:
            with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
                source.execute(f"PRAGMA busy_timeout={BUSY_MS}")
                source.backup(target)
                target.execute("PRAGMA journal_mode=DELETE")  # one file
        except sqlite3.Error as error:
            raise BackupError(f"the database {database} cannot be copied: {error}") from error
        yield copy


def _add_spool(archive: Writer, folder: Path) -> None:
    """What is answered and not yet booked. A process that starts takes over the files of one that died."""
    for _ in range(_TRIES):
        files = sorted([*folder.glob("*.jsonl"), *folder.glob("rejected.txt")])
        try:
            contents = {file.name: file.read_bytes() for file in files}
        except FileNotFoundError:
            continue
        if files == sorted([*folder.glob("*.jsonl"), *folder.glob("rejected.txt")]):
            for name, content in contents.items():
                if content:
                    archive.add_bytes(f"spool/{name}", content)
            return
    raise BackupError(f"the files in {folder} keep changing: try again")


def _without_password(settings: Settings) -> str:
    url = make_url(settings.database_url)
    return url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
