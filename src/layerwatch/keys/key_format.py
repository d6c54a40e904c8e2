"""The text of an API key: `prod_` or `test_`, 30 random base62 characters (178 bits), 6 of checksum.

The checksum distinguishes a mistyped key from an unknown one without a database query, also while the
database is away. It proves nothing: only the keyed hash of the whole text does.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_CHARACTERS = 30
CHECKSUM_CHARACTERS = 6
PRODUCTION = "prod_"
TEST = "test_"
_LENGTH = len(PRODUCTION) + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS


def new_key_text(*, test: bool = False) -> str:
    """A new key. It is shown once and never stored; `digest` of it is."""
    body = (TEST if test else PRODUCTION) + "".join(
        secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS)
    )
    return body + _checksum(body)


def is_well_formed(text: str) -> bool:
    """Whether `text` could have come from `new_key_text`: prefix, length, alphabet and checksum."""
    if len(text) != _LENGTH or not text.startswith((PRODUCTION, TEST)) or not text.isascii():
        return False
    body, checksum = text[:-CHECKSUM_CHARACTERS], text[-CHECKSUM_CHARACTERS:]
    return hmac.compare_digest(_checksum(body), checksum)


def digest(text: str, pepper: bytes) -> bytes:
    """HMAC-SHA256 of the key under the installation's secret: 32 bytes, useless without the secret.

    A fast hash is right here: the key has 178 random bits, so there is nothing to guess.
    """
    return hmac.digest(pepper, text.encode("utf-8", "surrogateescape"), hashlib.sha256)


def _checksum(body: str) -> str:
    value = zlib.crc32(body.encode("ascii"))
    characters = []
    for _ in range(CHECKSUM_CHARACTERS):
        value, rest = divmod(value, len(ALPHABET))
        characters.append(ALPHABET[rest])
    return "".join(reversed(characters))
