"""Choose the object store that the settings name."""

from __future__ import annotations

from pathlib import Path

from layerwatch.storage.objects import FolderObjects, ObjectStore


def open_objects(address: str, folder: Path) -> ObjectStore:
    """The store at an address such as s3://BUCKET/PREFIX; `folder` where it is empty.

    Does not connect yet. Raises ValueError for an address that cannot be used, with what to do.
    """
    if not address:
        return FolderObjects(folder)
    from layerwatch.storage.cloud_objects import CloudObjects

    return CloudObjects(address)
