"""Small copies of pictures, kept where the account says so: made, found, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import simplejpeg
from PIL import Image

from layerwatch.learning.recent import RecentPicture
from layerwatch.prints import picture_repository
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
    if account_id is None and context_ids is None and before is None:
        raise ValueError("say which pictures to delete")
    deleted = 0
    while gone := _delete_some(
        database, objects, BATCH, account_id=account_id, context_ids=context_ids, before=before
    ):
        deleted += gone
    return deleted


def delete_beyond(database: Database, objects: ObjectStore, most_bytes: int) -> int:
    """Delete the oldest copies of each account that has more than `most_bytes`; how many."""
    with database.read() as session:
        full = picture_repository.accounts_beyond(session, most_bytes)
    deleted = 0
    for account_id, total in full.items():
        excess = total - most_bytes
        while excess > 0:
            with database.read() as session:
                sizes = picture_repository.oldest_sizes(session, account_id, BATCH)
            count = freed = 0
            while count < len(sizes) and freed < excess:
                freed += sizes[count]
                count += 1
            gone = _delete_some(database, objects, count, account_id=account_id)
            deleted, excess = deleted + gone, excess - freed if gone else 0
    return deleted


def _delete_some(
    database: Database,
    objects: ObjectStore,
    limit: int,
    *,
    account_id: int | None = None,
    context_ids: Sequence[str] | None = None,
    before: datetime | None = None,
) -> int:
    """Delete the oldest of them, at most `limit`: the objects first, so that none is left without a row."""
    with database.read() as session:
        found = picture_repository.oldest(
            session, limit, account_id=account_id, context_ids=context_ids, before=before
        )
    if found:
        objects.delete([object_name(*one) for one in found])
        rows = [(one.context_id, one.second) for one in found]
        database.transact(picture_repository.delete_pictures, rows)
    return len(found)
