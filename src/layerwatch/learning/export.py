"""Reviewed pictures as a data set that `layerwatch-train` reads, without who they are from."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from layerwatch.core.private_files import private_folder, replacing
from layerwatch.learning import near
from layerwatch.learning.errors import LearningError
from layerwatch.learning.examples import ExampleStore
from layerwatch.learning.repository import Example
from layerwatch.learning.service import name_of

INDEX, WITHDRAWN, IMAGES = "index.csv", "withdrawn.txt", "images/feedback"

INDEX_COLUMNS: tuple[str, ...] = (
    *("file", "source", "licence", "label", "failure_type", "view", "group", "sequence", "frame"),
    *("width", "height", "label_basis", "note", "boxes", "sha256", "account", "reviewed_at", "near"),
)


class Exported(NamedTuple):
    """How many pictures were written, and how many could not be read from the store."""

    pictures: int
    missing: int


class Pseudonyms:
    """Stable names of accounts, printers and prints that only this installation computes. key: its secret."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def account(self, account_id: int) -> str:
        """16 hexadecimal digits."""
        return self._name("account", account_id)

    def printer(self, account_id: int, printer: str | None) -> str:
        """16 hexadecimal digits; all printers without a name are one."""
        return self._name("printer", account_id, printer or "")

    def print_(self, context_id: str) -> str:
        """16 hexadecimal digits."""
        return self._name("print", context_id)

    def _name(self, *parts: object) -> str:
        text = "\0".join(map(str, parts))
        return hmac.digest(self._key, text.encode(), hashlib.sha256).hex()[:16]


def export(
    reviewed: Sequence[Example],
    withdrawn: Sequence[str],
    examples: ExampleStore,
    pseudonyms: Pseudonyms,
    folder: Path,
    *,
    progress: Callable[[], None] = lambda: None,
) -> Exported:
    """Write `index.csv`, `images/` and `withdrawn.txt` as `layerwatch-train --data FOLDER` reads them.

    withdrawn: SHA-256 of deleted pictures; files of an earlier export with these hashes are removed from the
    folder. All pictures of an account's printer share a group, so that none is on both sides of a split.
    `near` is the hash of the first of pictures that look the same. Raises StorageUnavailable, OSError.
    """
    images = private_folder(folder / IMAGES)
    write_withdrawn(withdrawn, folder)
    for sha256 in withdrawn:
        (images / f"{sha256}.jpg").unlink(missing_ok=True)
    index = io.StringIO(newline="")
    table = csv.DictWriter(index, INDEX_COLUMNS, restval="")
    table.writeheader()
    looks_like = _near(reviewed)
    missing = 0
    for row, feedback in reviewed:
        progress()
        try:
            jpeg = examples.get(name_of(row))
        except LearningError:
            missing += 1
            continue
        with replacing(images / f"{row.sha256}.jpg") as copy:
            copy.write(jpeg)
        with Image.open(io.BytesIO(jpeg)) as picture:
            width, height = picture.size
        account = pseudonyms.account(row.account_id)
        table.writerow(
            {
                "file": f"{IMAGES}/{row.sha256}.jpg",
                "source": "feedback",
                "licence": "by the account's owner",
                "label": row.label,
                "failure_type": row.failure_type or "",
                "view": "webcam",
                "group": f"feedback_{account}_{pseudonyms.printer(row.account_id, feedback.printer)}",
                "sequence": f"feedback_{pseudonyms.print_(feedback.context_id)}",
                "frame": row.id,
                "width": width,
                "height": height,
                "label_basis": "reviewed",
                "note": f"client said {feedback.kind}",
                "sha256": row.sha256,
                "account": account,
                "reviewed_at": row.reviewed_at.isoformat(timespec="seconds") if row.reviewed_at else "",
                "near": looks_like[row.sha256],
            }
        )
    with replacing(folder / INDEX) as file:
        file.write(index.getvalue().encode())
    return Exported(len(reviewed) - missing, missing)


def write_withdrawn(withdrawn: Sequence[str], folder: Path) -> None:
    """Write `withdrawn.txt`: one SHA-256 a line."""
    with replacing(folder / WITHDRAWN) as file:
        file.write("".join(f"{sha256}\n" for sha256 in withdrawn).encode())


def read_withdrawn(path: Path) -> Sequence[str]:
    """The hashes in a `withdrawn.txt`. Raises LearningError for anything else, OSError."""
    hashes = path.read_text(encoding="ascii", errors="replace").split()
    wrong = next((one for one in hashes if not re.fullmatch("[0-9a-f]{64}", one)), None)
    if wrong is not None:
        raise LearningError(f"{path}: {wrong[:80]!r} is no SHA-256 of 64 hexadecimal digits")
    return hashes


def _near(reviewed: Sequence[Example]) -> dict[str, str]:
    """For each picture's SHA-256 that of the first one that looks the same."""
    hashed = [row for row, _ in reviewed if row.dhash is not None]
    first = near.groups([row.dhash or "" for row in hashed])
    own = {row.sha256: row.sha256 for row, _ in reviewed}
    return own | {row.sha256: hashed[place].sha256 for row, place in zip(hashed, first, strict=True)}
