"""The installation's one secret, and the keys that are derived from it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from layerwatch.core.private_files import private_folder, restrict

_MIN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Secrets:
    """One 32-byte key for each purpose, so that none can be used for another."""

    context_ids: bytes = field(repr=False)
    """Signs context ids."""
    api_keys: bytes = field(repr=False)
    """Pepper of the stored hashes of API keys."""
    sessions: bytes = field(repr=False)
    """Signs the console's cookies."""
    pseudonyms: bytes = field(repr=False)
    """Hashes accounts and printers in exports of training pictures."""

    @classmethod
    def derive(cls, root: bytes) -> Secrets:
        """The keys of a root secret, each its HMAC-SHA256 of the purpose's name (as HKDF-Expand does)."""

        def purpose(name: str) -> bytes:
            return hmac.digest(root, b"layerwatch " + name.encode() + b"\x01", hashlib.sha256)

        return cls(purpose("context ids"), purpose("api keys"), purpose("sessions"), purpose("pseudonyms"))


def read_or_create(path: Path) -> bytes:
    """The secret in the file; made if there is none, also when several start at once.

    The file has mode 0600 and its folder 0700 afterwards, whatever they had before.

    Raises OSError when the file cannot be read or made, or is too short to be one.
    """
    private_folder(path.parent)
    with suppress(FileNotFoundError):
        return _read(path)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):  # the first of several wins: linking never overwrites
            os.link(fresh, path)
    finally:
        fresh.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    restrict(path)
    content = path.read_bytes().strip()
    if len(content) < _MIN_BYTES:
        raise OSError(0, "the secret is too short; restore it from a backup (a new one voids every API key)")
    return content
