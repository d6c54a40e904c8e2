"""Pictures behind feedback, in the object store that every node reaches."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from layerwatch.learning.errors import LearningError
from layerwatch.storage import ObjectMissing, ObjectStore

ORPHAN_AGE = timedelta(hours=1)
"""An object without a row that is older is removed. A younger one's row may be in an unconfirmed commit."""

BATCH = 200
"""Names in one query for their rows."""

FOLDER = "examples"
MOVED = "moved"
"""Folder of pictures that earlier versions kept on one node."""

_NAME = re.compile(rf"{FOLDER}/([0-9]+)/([0-9a-z]+)/([0-9a-f]{{64}})\.jpg")


class ExampleName(NamedTuple):
    """Where one example is. sha256: of its bytes, hexadecimal.  folder: its feedback's own."""

    account_id: int
    folder: str
    sha256: str

    def __str__(self) -> str:
        return f"{FOLDER}/{self.account_id}/{self.folder}/{self.sha256}.jpg"

    @classmethod
    def parse(cls, name: str) -> ExampleName | None:
        """The inverse of `str`; None for any other object."""
        match = _NAME.fullmatch(name)
        return None if match is None else cls(int(match[1]), match[2], match[3])


FindUsed = Callable[[Collection[ExampleName]], Collection[ExampleName]]
"""Which of these any row refers to."""


class ExampleStore:
    """JPEGs by their SHA-256, checked against it whenever they are read.

    An object is written before the row that refers to it, and deleted after. No two feedbacks share one, so
    none can be deleted under a row that another node is adding at that moment.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    @staticmethod
    def new_folder() -> str:
        """A folder that no other feedback has."""
        return secrets.token_hex(8)

    def put(self, account_id: int, folder: str, jpeg: bytes) -> ExampleName:
        """Keep a picture, whole or not at all. Raises StorageUnavailable."""
        name = ExampleName(account_id, folder, hashlib.sha256(jpeg).hexdigest())
        self._objects.put(str(name), jpeg)
        return name

    def get(self, name: ExampleName) -> bytes:
        """The picture. Raises LearningError when it is missing or damaged, StorageUnavailable."""
        try:
            jpeg = self._objects.get(str(name))
        except ObjectMissing as error:
            raise LearningError(f"the picture {name.sha256[:12]} is missing from the object store") from error
        if hashlib.sha256(jpeg).hexdigest() != name.sha256:
            raise LearningError(f"the picture {name.sha256[:12]} in the object store is damaged")
        return jpeg

    def delete(self, names: Collection[ExampleName]) -> None:
        """Delete pictures to which no row refers any more. Raises StorageUnavailable."""
        self._objects.delete([str(name) for name in names])

    def delete_orphans(
        self,
        find_used: FindUsed,
        now: datetime,
        *,
        account_id: int | None = None,
        age: timedelta,
    ) -> int:
        """Delete pictures older than `age` that no row refers to, such as a crash leaves behind; how many.

        now: by the store's clock.  account_id: only of this account. Raises StorageUnavailable.
        """
        place = FOLDER if account_id is None else f"{FOLDER}/{account_id}"
        deleted = 0
        for names in _batches(self._older_than(place, now - age)):
            used = set(find_used(names))
            orphans = [name for name in names if name not in used]
            self.delete(orphans)
            deleted += len(orphans)
        return deleted

    def _older_than(self, place: str, oldest: datetime) -> Iterator[ExampleName]:
        for found in self._objects.list(place):
            name = ExampleName.parse(found.name)
            if name is not None and found.written_at <= oldest:
                yield name


def _batches(names: Iterator[ExampleName]) -> Iterator[list[ExampleName]]:
    batch: list[ExampleName] = []
    for name in names:
        batch.append(name)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
