"""Deleting prints whose time is over, and pictures beyond their days and megabytes."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog

from layerwatch.prints import picture_repository, repository
from layerwatch.prints.kept_pictures import BATCH, FOLDER, delete_beyond, delete_copies
from layerwatch.storage import Database, ObjectStore

log = structlog.get_logger(__name__)

ORPHAN_AGE = timedelta(hours=1)
ORPHANS_PERIOD_S = 24 * 3600.0
"""How often objects without a row are looked for: a listing of the whole store."""

_NAME = re.compile(rf"{FOLDER}/\d+/([0-9A-Za-z]+)/(\d{{8}})")


def delete_whole_prints(database: Database, objects: ObjectStore, context_ids: Sequence[str]) -> int:
    """Delete prints with everything that belongs to them; how many. Raises StorageUnavailable."""
    delete_copies(database, objects, context_ids=context_ids)
    return database.transact(repository.delete_prints, context_ids)


class PrintSweeper:
    """pictures_for, picture_bytes: how long and how many bytes of pictures are kept for an account."""

    def __init__(
        self, database: Database, objects: ObjectStore, *, pictures_for: timedelta, picture_bytes: int
    ) -> None:
        self._database = database
        self._objects = objects
        self._pictures_for = pictures_for
        self._picture_bytes = picture_bytes
        self._orphans_at = 0.0

    def sweep(self, now: datetime) -> None:
        """Do it. Raises StorageError."""
        pictures = delete_copies(self._database, self._objects, before=now - self._pictures_for)
        pictures += delete_beyond(self._database, self._objects, self._picture_bytes)
        prints = 0
        while over := self._over(now):
            prints += delete_whole_prints(self._database, self._objects, over)
        if time.monotonic() >= self._orphans_at:
            pictures += self.remove_orphans(datetime.now(UTC))
            self._orphans_at = time.monotonic() + ORPHANS_PERIOD_S
        if prints or pictures:
            log.info("prints_swept", prints=prints, pictures=pictures)

    def remove_orphans(self, now: datetime) -> int:
        """Remove objects that no row names: of pictures that another node deleted, or that a crash left;
        how many. now: real time, as the objects' own."""
        removed = 0
        names: list[str] = []
        for one in self._objects.list(FOLDER):
            if one.written_at < now - ORPHAN_AGE:
                names.append(one.name)
            if len(names) == BATCH:
                removed += self._remove_unnamed(names)
                names = []
        return removed + self._remove_unnamed(names)

    def _over(self, now: datetime) -> Sequence[str]:
        with self._database.read() as session:
            return repository.expired(session, now, BATCH) or repository.beyond_limit(session, BATCH)

    def _remove_unnamed(self, names: Sequence[str]) -> int:
        keys = {}
        for name in names:
            found = _NAME.fullmatch(name)
            keys[name] = (found[1], int(found[2])) if found else ("", 0)
        with self._database.read() as session:
            named = picture_repository.kept_among(session, keys.values())
        orphans = [name for name, key in keys.items() if key not in named]
        if orphans:
            self._objects.delete(orphans)
        return len(orphans)
