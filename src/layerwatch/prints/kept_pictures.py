"""Small copies of pictures, kept where the account says so: made, found, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import simplejpeg
from PIL import Image
from sqlalchemy import ColumnElement, delete, func, select, tuple_
from sqlalchemy.orm import Session

from layerwatch.learning.recent import RecentPicture
from layerwatch.prints.models import KeptPictureRow
from layerwatch.storage import Database, ObjectMissing, ObjectStore
from layerwatch.vision.jpeg.decoder import decode_jpeg, turn_upright

SIDE = 320
"""Pixels of a copy's longer side."""
JPEG_QUALITY = 72
"""With this a copy of a printer's picture has about 10 KB."""

FOLDER = "prints"
BATCH = 500
"""Pictures deleted at once."""


def small_copy(picture: RecentPicture) -> bytes:
    """The picture at `SIDE` pixels with what was seen in it, as `RecentPicture.to_bytes` writes it.

    Raises ImageDecodeError.
    """
    evidence = replace(picture.evidence, thumbnail=b"")
    return RecentPicture(scaled(picture.jpeg, SIDE), evidence, picture.second).to_bytes()


def scaled(jpeg: bytes, side: int) -> bytes:
    """A JPEG, upright, whose longer side has at most `side` pixels. Raises ImageDecodeError."""
    decoded = decode_jpeg(jpeg, at_least=side // 2)
    image = turn_upright(Image.fromarray(decoded.pixels), decoded.orientation)
    image.thumbnail((side, side), Image.Resampling.BILINEAR)
    pixels = np.ascontiguousarray(np.asarray(image))
    return simplejpeg.encode_jpeg(pixels, quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="420")  # type: ignore[no-any-return]


def object_name(account_id: int, context_id: str, second: int) -> str:
    """Under which a copy lies in the object store."""
    return f"{FOLDER}/{account_id}/{context_id}/{second:08d}"


def read_copy(objects: ObjectStore, account_id: int, context_id: str, second: int) -> RecentPicture:
    """A kept copy. Raises ObjectMissing, and StorageUnavailable."""
    name = object_name(account_id, context_id, second)
    try:
        return RecentPicture.from_bytes(objects.get(name))
    except (ValueError, KeyError, TypeError) as error:  # of another version
        raise ObjectMissing(f"{name} cannot be read") from error


def delete_copies(
    database: Database,
    objects: ObjectStore,
    *,
    account_id: int | None = None,
    context_ids: Sequence[str] | None = None,
    before: datetime | None = None,
) -> int:
    """Delete the copies for which everything that is given holds; how many. At least one has to be given.

    Raises StorageUnavailable; what was deleted by then stays deleted.
    """
    wanted: list[ColumnElement[bool]] = []
    if account_id is not None:
        wanted.append(KeptPictureRow.account_id == account_id)
    if context_ids is not None:
        wanted.append(KeptPictureRow.context_id.in_(context_ids))
    if before is not None:
        wanted.append(KeptPictureRow.kept_at < before)
    if not wanted:
        raise ValueError("say which pictures to delete")
    deleted = 0
    while gone := _delete_some(database, objects, wanted, BATCH):
        deleted += gone
    return deleted


def delete_beyond(database: Database, objects: ObjectStore, most_bytes: int) -> int:
    """Delete the oldest copies of each account that has more than `most_bytes`; how many."""
    with database.read() as session:
        full = session.execute(
            select(KeptPictureRow.account_id, func.sum(KeptPictureRow.size))
            .group_by(KeptPictureRow.account_id)
            .having(func.sum(KeptPictureRow.size) > most_bytes)
        ).all()
    deleted = 0
    for account_id, total in full:
        excess = int(total) - most_bytes
        while excess > 0:
            sizes = _oldest(database, account_id)
            count = freed = 0
            while count < len(sizes) and freed < excess:
                freed += sizes[count]
                count += 1
            gone = _delete_some(database, objects, [KeptPictureRow.account_id == account_id], count)
            deleted, excess = deleted + gone, excess - freed if gone else 0
    return deleted


def _oldest(database: Database, account_id: int) -> Sequence[int]:
    with database.read() as session:
        return session.scalars(
            select(KeptPictureRow.size)
            .where(KeptPictureRow.account_id == account_id)
            .order_by(KeptPictureRow.kept_at, KeptPictureRow.context_id, KeptPictureRow.second)
            .limit(BATCH)
        ).all()


def _delete_some(
    database: Database, objects: ObjectStore, wanted: Sequence[ColumnElement[bool]], limit: int
) -> int:
    """Delete the oldest of them, at most `limit`: the objects first, so that none is left without a row."""
    key = (KeptPictureRow.context_id, KeptPictureRow.second)
    with database.read() as session:
        found = session.execute(
            select(KeptPictureRow.account_id, *key)
            .where(*wanted)
            .order_by(KeptPictureRow.kept_at, *key)
            .limit(limit)
        ).all()
    if found:
        objects.delete([object_name(*one) for one in found])
        rows = [(one.context_id, one.second) for one in found]

        def forget(session: Session) -> None:
            session.execute(delete(KeptPictureRow).where(tuple_(*key).in_(rows)))

        database.transact(forget)
    return len(found)
