"""Addresses as a person types them, and as they may be shown: with nothing secret in them."""

from __future__ import annotations

import re
from typing import Tuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

_SECRET_NAME = re.compile(r"key|token|pass|pwd|secret|auth|user|login|code", re.IGNORECASE)


def redact(url: str) -> str:
    """`url` without user name, password, and values of query fields that sound like a secret."""
    try:
        parts = urlsplit(url)
        host = _host(parts)
    except ValueError:
        return "an address that cannot be read"
    query = urlencode(
        [
            (name, "***" if _SECRET_NAME.search(name) else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ],
        safe="*",
    )
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    return f"{host}:{parts.port}" if parts.port else host


def with_scheme(url: str, scheme: str = "http") -> str:
    """`url`, with `scheme://` put before it where a person left that out (`octopi.local`)."""
    return url if "://" in url else f"{scheme}://{url}"


def beside(base: str, url: str) -> str:
    """The address that `url` means to software at `base`: absolute, from the root, or relative.

    Printer hosts give webcam addresses such as `/webcam/?action=stream`, which their own proxy serves
    on the usual port, not on the API's: so a relative one is taken from the host at port 80 or 443.
    """
    if "://" in url:
        return url
    parts = urlsplit(base)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    return urljoin(f"{parts.scheme}://{host}/", url)


def http_address(url: str) -> Tuple[str, str, str]:
    """An http or https address without its login, then the user name and the password, percent-decoded.

    Both are empty without a login. Raises ValueError for any other address, and for one that cannot be read.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http address")
    bare = urlunsplit((parts.scheme, _host(parts), parts.path, parts.query, ""))
    return bare, unquote(parts.username or ""), unquote(parts.password or "")


def with_login(url: str, user: str, password: str) -> str:
    """`url` with the login inside it, percent-encoded, as ffmpeg wants it."""
    parts = urlsplit(url)
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@"
    return urlunsplit((parts.scheme, login + _host(parts), parts.path, parts.query, ""))
