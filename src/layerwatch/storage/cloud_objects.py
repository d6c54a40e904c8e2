"""Objects in an object store, through obstore (the extra `objects`)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from layerwatch.storage.errors import ObjectMissing, StorageUnavailable
from layerwatch.storage.objects import ObjectInfo, check_name

SCHEMES = ("s3://", "gs://", "az://", "memory://")

TIMEOUT, RETRIES = "10s", 2
"""Of one request; what waits for it is never a Process call."""


class CloudObjects:
    """Objects under an address such as s3://BUCKET/PREFIX.

    Credentials, region and endpoint come from the store's usual variables (AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL, …; GOOGLE_…; AZURE_…).
    """

    def __init__(self, address: str) -> None:
        if not address.startswith(SCHEMES):
            raise ValueError(f"an object store's address begins with one of {', '.join(SCHEMES[:-1])}")
        try:
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ImportError as error:
            raise ValueError("object stores need an extra: pip install 'layerwatch[objects]'") from error
        options: dict[str, Any] = {}
        if not address.startswith("memory://"):
            # http is for the endpoint that the operator names, as in AWS_ENDPOINT_URL=http://minio:9000.
            options["client_options"] = {"timeout": TIMEOUT, "connect_timeout": TIMEOUT, "allow_http": True}
            options["retry_config"] = {"max_retries": RETRIES}
        try:
            self._store: Any = from_url(address, **options)
        except BaseError as error:
            raise ValueError(f"{address} cannot be opened: {_first_line(error)}") from error
        self._error = BaseError

    def put(self, name: str, data: bytes) -> None:
        check_name(name)
        try:
            self._store.put(name, data)
        except self._error as error:
            raise StorageUnavailable(f"{name} cannot be written: {_first_line(error)}") from error

    def get(self, name: str) -> bytes:
        check_name(name)
        try:
            return bytes(self._store.get(name).bytes())
        except FileNotFoundError as error:
            raise ObjectMissing(f"there is no object {name}") from error
        except self._error as error:
            raise StorageUnavailable(f"{name} cannot be read: {_first_line(error)}") from error

    def delete(self, names: Collection[str]) -> None:
        paths = [check_name(name) for name in names]
        try:
            if paths:
                self._store.delete(paths)
        except FileNotFoundError:  # of a memory store, at the first that is missing
            for path in paths:
                self._delete_one(path)
        except self._error as error:
            raise StorageUnavailable(f"objects cannot be deleted: {_first_line(error)}") from error

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        check_name(folder)
        try:
            for page in self._store.list(folder):
                for one in page:
                    yield ObjectInfo(one["path"], one["size"], one["last_modified"])
        except self._error as error:
            raise StorageUnavailable(f"objects cannot be listed: {_first_line(error)}") from error

    def _delete_one(self, path: str) -> None:
        try:
            self._store.delete(path)
        except FileNotFoundError:
            return


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0][:200]
