"""Web origins as browsers write them: scheme, host, and a port that is not the scheme's default."""

from __future__ import annotations

from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_origins(text: str) -> frozenset[str]:
    """The origins of a list separated by commas. Raises ValueError for what no browser would send."""
    origins = [part.strip() for part in text.split(",") if part.strip()]
    for origin in origins:
        if not _is_origin(origin):
            raise ValueError(f"{origin!r} is not an origin; write it as in https://app.example.org")
    return frozenset(origins)


def _is_origin(text: str) -> bool:
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(url.scheme)
    if default is None or not host or "*" in host or not text.isascii():
        return False
    host = f"[{host}]" if ":" in host else host
    return text == f"{url.scheme}://{host}" + ("" if port in (None, default) else f":{port}")
