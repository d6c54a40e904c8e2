"""Context ids that carry their own proof.

An id says whose print it is, at which confidence levels, since when and in which region, and ends in a
MAC. So every node of every region can tell a true one from a forged or expired one without a look-up.

Form: 44 bytes as 60 characters of base62 (digits, capitals, small letters), most significant first:

    version 1 | account 6 | levels 1 | born 6 (ms since 1970) | region 8 | nonce 6 | MAC 16
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from layerwatch.contexts.errors import ContextLost
from layerwatch.temporal import Levels

LIFETIME = timedelta(days=14)
"""How long a context lives."""

LENGTH = 60

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_SHAPE = re.compile(f"[0-9A-Za-z]{{{LENGTH}}}", re.ASCII)
_VERSION = 1
_MAC_BYTES = 16
_BYTES = 1 + 6 + 1 + 6 + 8 + 6 + _MAC_BYTES
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Context:
    """One print's session, as its id tells it."""

    id: str
    account_id: int
    levels: Levels
    opened_at: datetime
    region: str

    @property
    def expires_at(self) -> datetime:
        """The moment from which the context is lost."""
        return self.opened_at + LIFETIME


class ContextIds:
    """Makes and checks ids. key: the installation's MAC key, 32 bytes, the same on every node."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("the key of context ids needs at least 32 bytes")
        self._key = key

    def new(self, account_id: int, levels: Levels, now: datetime, region: str) -> Context:
        """Open a context. region: 1-8 ASCII characters. Nothing is stored."""
        born = (now - _EPOCH) // _MILLISECOND
        body = b"".join(
            (
                bytes((_VERSION,)),
                account_id.to_bytes(6),
                bytes((pack_levels(levels),)),
                born.to_bytes(6),
                region.encode("ascii").ljust(8, b"\0"),
                secrets.token_bytes(6),
            )
        )
        text = _to_base62(body + self._mac(body))
        return Context(text, account_id, levels, _EPOCH + born * _MILLISECOND, region)

    def read(self, text: str, account_id: int, now: datetime) -> Context:
        """The context behind an id, if it is a true one of this account that has not expired.

        Raises ContextLost for everything else, whatever the text.
        """
        if not _SHAPE.fullmatch(text):
            raise ContextLost("malformed")
        number = 0
        for character in text:
            number = number * 62 + _VALUES[character]
        if number >> (8 * _BYTES):
            raise ContextLost("malformed")
        data = number.to_bytes(_BYTES)
        body, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise ContextLost("forged")
        if body[0] != _VERSION:
            raise ContextLost("of another version")
        context = Context(
            id=text,
            account_id=int.from_bytes(body[1:7]),
            levels=unpack_levels(body[7]),
            opened_at=_EPOCH + int.from_bytes(body[8:14]) * _MILLISECOND,
            region=body[14:22].rstrip(b"\0").decode("ascii"),
        )
        if context.account_id != account_id:
            raise ContextLost("foreign")
        # One from the future is as true as any other: a clock was set back since, here or where it was born.
        if now >= context.expires_at:
            raise ContextLost("expired")
        return context

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)[:_MAC_BYTES]


def pack_levels(levels: Levels) -> int:
    """Both levels in one number, 9 to 45."""
    return levels.warning * 8 + levels.pause


def unpack_levels(number: int) -> Levels:
    """The levels of such a number. Raises ValueError for any other."""
    return Levels(warning=number // 8, pause=number % 8)


def _to_base62(data: bytes) -> str:
    number = int.from_bytes(data)
    characters = []
    for _ in range(LENGTH):
        number, value = divmod(number, 62)
        characters.append(_ALPHABET[value])
    return "".join(reversed(characters))
