"""The languages of pages: which are shipped, which one a reader gets, and their texts.

Texts are marked with `gettext` (as `_`) where they are made and with `marked` where they are only named. The
language is that of the running request; outside of one, as in the API, the command line and background work,
it is English. `make languages` collects the texts; CONTRIBUTING.md says how to add a language.
"""

from __future__ import annotations

import gettext as _catalogs
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "de": "Deutsch"}
"""The shipped languages, by their code in ISO 639, each named in itself."""
DEFAULT = "en"
CATALOGS = Path(__file__).with_name("locales")
DOMAIN = "layerwatch"

_language: ContextVar[str] = ContextVar("language", default=DEFAULT)


def language() -> str:
    """The code of the language of this request."""
    return _language.get()


def use(code: str) -> None:
    """Choose the language for the rest of this context: a thread of a request, or a task."""
    _language.set(code if code in LANGUAGES else DEFAULT)


@contextmanager
def using(code: str) -> Iterator[None]:
    """Choose the language for a block."""
    before = _language.set(code if code in LANGUAGES else DEFAULT)
    try:
        yield
    finally:
        _language.reset(before)


def negotiated(accept_language: str) -> str:
    """The shipped language that an `Accept-Language` header likes best (RFC 9110); English if it names none.

    `de-AT` counts as `de`. Of equals the first one wins. What is malformed is skipped.
    """
    best, best_weight = DEFAULT, 0.0
    for entry in accept_language[:1000].split(","):
        name, _, weight = entry.partition(";")
        code = name.strip().lower().split("-")[0]
        try:
            liked = float(weight.strip().removeprefix("q=")) if weight.strip() else 1.0
        except ValueError:
            continue
        if code in LANGUAGES and best_weight < liked <= 1.0:
            best, best_weight = code, liked
    return best


def gettext(message: str, /, **values: object) -> str:
    """A text in this request's language. values: filled in for `%(name)s`."""
    text = _catalog(language()).gettext(message) if message else ""
    return text % values if values else text


def ngettext(one: str, many: str, number: int, /) -> str:
    """A text that depends on a number, for templates, which fill in the values."""
    return _catalog(language()).ngettext(one, many, number)


def marked(message: str) -> str:
    """The text itself: it is translated where it is shown."""
    return message


def number(value: float) -> str:
    """A number as this request's language writes it: `1,234.5` or `1.234,5`."""
    from babel.numbers import format_decimal  # here, as it takes 80 ms to import, and only pages need it

    return format_decimal(value, locale=language())


def us_dollars(amount: Decimal) -> str:
    """An amount as this request's language writes it, with two decimals or all that it has."""
    from babel.numbers import format_currency

    return format_currency(amount, "USD", locale=language(), decimal_quantization=False)


@cache
def _catalog(code: str) -> _catalogs.NullTranslations:
    if code == DEFAULT:
        return _catalogs.NullTranslations()
    return _catalogs.translation(DOMAIN, CATALOGS, [code])
