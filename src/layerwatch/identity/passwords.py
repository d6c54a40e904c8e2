"""Passwords: what is taken as one, and checking it at the same cost whether or not there is a user."""

from __future__ import annotations

import threading
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from layerwatch.identity.errors import BadInput

SHORTEST, LONGEST = 12, 200

# OWASP's second recommended setting for argon2id: 19 MiB, 2 passes, 1 lane.
_hashes = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))
_turns = threading.BoundedSemaphore(2)  # hashing is meant to be dear; it must not starve inspections


@cache
def _nobodys() -> str:
    return _hashes.hash("nobody has this password")


def check_strength(password: str, email: str) -> None:
    """Raise BadInput for a password that is too short, too long or made of the e-mail address."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"A password has {SHORTEST} to {LONGEST} characters.")
    if len(set(password)) < 5 or password.lower() in email or email.partition("@")[0] in password.lower():
        raise BadInput("This password is too easy to guess. A few random words are a good one.")


def hash_password(password: str) -> str:
    """The argon2id hash, with its salt and cost in it."""
    with _turns:
        return _hashes.hash(password)


def is_right(password: str, stored: str | None) -> bool:
    """Whether the password fits the hash. Without one it takes as long, and is wrong."""
    with _turns:
        fits = _hashes.verify(password[:LONGEST], stored or _nobodys())
    return fits and stored is not None
