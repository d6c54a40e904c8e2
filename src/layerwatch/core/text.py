"""Text that users write: what a name may contain, and how any text is printed safely.

Control characters drive terminals, NUL is rejected by PostgreSQL, and bidirectional formatting characters
make a text read differently from what it is ("Trojan Source", CVE-2021-42574).
"""

from __future__ import annotations

import json
import unicodedata

from layerwatch.core.languages import gettext as _

MAX_NAME_LENGTH = 120
"""Characters in a name of an account, key, printer, camera or file."""

_JOINERS = "\u200c\u200d"
"""Format characters that real words need: Persian and Indic scripts, emoji."""

_UNSAFE_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control, format (with every bidirectional one), surrogate, line and paragraph separators."""


class InvalidName(ValueError):
    """A name that is refused. The message may be shown to the user."""


def clean_name(text: str, what: str) -> str:
    """A name without surrounding space, in Unicode's composed form (NFC).

    what: begins the error message, as in "The key's name". Raises InvalidName for a name that is empty or
    invisible, longer than `MAX_NAME_LENGTH`, or that contains control or bidirectional characters.
    """
    name = unicodedata.normalize("NFC", text[: 4 * MAX_NAME_LENGTH].strip())
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise InvalidName(
            _(
                "%(what)s needs 1 to %(most)s characters.",
                what=what,
                most=MAX_NAME_LENGTH,
            )
        )
    if any(is_unsafe(character) for character in name):
        raise InvalidName(_("%(what)s may not contain control or text-direction characters.", what=what))
    if all(character in _JOINERS or unicodedata.category(character)[0] in "MZ" for character in name):
        raise InvalidName(_("%(what)s needs a visible character.", what=what))
    return name


def is_unsafe(character: str) -> bool:
    """Whether a character may neither be part of a name nor reach a terminal as it is."""
    return unicodedata.category(character) in _UNSAFE_CATEGORIES and character not in _JOINERS


def escape_unsafe(text: str) -> str:
    r"""The text with each unsafe character escaped as in JSON (`\u001b`). A JSON text keeps its value."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(json.dumps(character)[1:-1] if is_unsafe(character) else character for character in text)
