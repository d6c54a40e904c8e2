"""Reading the picture's address from a query string, also where a tool did not encode it."""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_plus

_IMG = re.compile(r"(?:^|&)img=(.*)", re.DOTALL)


def image_url(query: str) -> str:
    """The address in the parameter `img` of a raw query string; empty where there is none.

    An address that was not encoded (`img=http://camera/?a=1&b=2`) is everything after `img=`: a tool that
    does not encode has no parameter behind it. An encoded one ends at the next `&`.
    """
    found = _IMG.search(query)
    if found is None:
        return ""
    given = found[1]
    if "://" not in given.partition("&")[0]:
        return unquote_plus(given.partition("&")[0])
    # Either raw, in which percent escapes are the address's own, or with its reserved characters encoded.
    raw = "?" in given or "&" in given
    return given if raw else unquote(given)
