"""Passwords: which are accepted, and checking one at the same cost whether or not there is a user."""

from __future__ import annotations

import re
import threading
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from layerwatch.core.languages import gettext as _
from layerwatch.identity.errors import BadInput

SHORTEST, LONGEST = 12, 200

MIN_SCORE = 3
"""zxcvbn's score for at least 10^8 guesses ("safely unguessable" online)."""

_ESTIMATED_CHARACTERS = 40
_ESTIMATED_SYMBOLS = 4
"""Distinct symbols that may stand for letters. zxcvbn tries their combinations: with all ten of them, 20
characters take it more than 6 s; what `_estimated` leaves takes at most 0.1 s, both measured."""

_LETTER_SYMBOLS = "@({[<!|$+%"

_OWN_WORDS = ("layerwatch", "printer", "3dprinter")

# OWASP's second recommended setting for argon2id: 19 MiB, 2 passes, 1 lane.
_hashes = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))
_turns = threading.BoundedSemaphore(2)  # hashing is slow on purpose; it must not starve inspections


@cache
def _nobodys() -> str:
    return _hashes.hash("nobody has this password")


def check_strength(password: str, email: str) -> None:
    """Raise BadInput for a password that is too short, too long or too easy to guess.

    Estimated by zxcvbn from leaked passwords, words, names, dates, keyboard patterns and the user's own
    e-mail address (Wheeler, "zxcvbn: Low-Budget Password Strength Estimation", 2016).
    """
    from zxcvbn import zxcvbn  # 13 MB of word lists, measured: not for every command that imports this

    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(
            _("A password needs %(shortest)s to %(longest)s characters.", shortest=SHORTEST, longest=LONGEST),
            field="password",
        )
    local, _at, domain = email[:254].partition("@")
    own = [*_OWN_WORDS, email[:254], local, domain, *re.split(r"[\W_]+", local), re.sub(r"[\W_]+", "", local)]
    own += domain.split(".")
    with _turns:
        estimate = zxcvbn(_estimated(password), user_inputs=[word for word in own[:30] if len(word) > 2])
    if estimate["score"] < MIN_SCORE:
        why = _(_(estimate["feedback"]["warning"] or "It is made of common parts."))
        raise BadInput(
            _("This password is too easy to guess. %(why)s Try a few random words.", why=why),
            field="password",
        )


def _estimated(password: str) -> str:
    """The part of a password that is estimated. Leaving characters out only makes the estimate lower."""
    symbols = list(dict.fromkeys(character for character in password if character in _LETTER_SYMBOLS))
    left_out = set(symbols[_ESTIMATED_SYMBOLS:])
    return "".join(character for character in password if character not in left_out)[:_ESTIMATED_CHARACTERS]


def hash_password(password: str) -> str:
    """The argon2id hash, with its salt and cost in it."""
    with _turns:
        return _hashes.hash(password)


def is_right(password: str, stored: str | None) -> bool:
    """Whether the password fits the hash. Without one it takes as long, and is wrong."""
    with _turns:
        fits = _hashes.verify(password[:LONGEST], stored or _nobodys())
    return fits and stored is not None
