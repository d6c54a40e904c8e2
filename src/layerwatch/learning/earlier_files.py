"""Pictures that earlier versions kept in a folder of one node: moved to the object store."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from layerwatch.learning import near, repository
from layerwatch.learning.examples import MOVED, ExampleStore
from layerwatch.storage import Database, StorageUnavailable
from layerwatch.vision.errors import ImageDecodeError

log = structlog.get_logger(__name__)


def move_files(folder: Path, database: Database, examples: ExampleStore) -> int:
    """Move the pictures in this node's folder `examples` to the object store; how many files went.

    A file is removed after its object is written, or when nothing refers to it. Nothing is left to do
    afterwards, and nothing happens where there is no such folder. Raises StorageUnavailable, also when a file
    cannot be read or removed.
    """
    try:
        gone = _move_all(folder, database, examples)
    except OSError as error:
        raise StorageUnavailable(f"{folder} cannot be moved: {error.strerror}") from error
    if gone:
        log.info("examples_moved", files=gone)
    return gone


def _move_all(folder: Path, database: Database, examples: ExampleStore) -> int:
    gone = 0
    for path in sorted(folder.glob("[0-9a-f][0-9a-f]/*")):
        with suppress(FileNotFoundError):  # another process of this node moved it
            jpeg = path.read_bytes()
            if hashlib.sha256(jpeg).hexdigest() == path.stem:
                _move(jpeg, path.stem, database, examples)
            path.unlink()
            gone += 1
        with suppress(OSError):  # not empty yet
            path.parent.rmdir()
    if gone:
        (folder / ".lock").unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
    return gone


def _move(jpeg: bytes, sha256: str, database: Database, examples: ExampleStore) -> None:
    with database.read() as session:
        accounts = {row.account_id for row in repository.moved_examples(session, sha256)}
    for account_id in accounts:
        examples.put(account_id, MOVED, jpeg)
    dhash = None
    with suppress(ImageDecodeError):
        dhash = near.dhash(jpeg)

    def note(session: Session) -> None:
        for row in repository.moved_examples(session, sha256):
            row.dhash = dhash

    database.transact(note)
