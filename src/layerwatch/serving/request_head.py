"""The head of an HTTP/1.1 request: a strict subset of RFC 9112, section by section.

Whatever two servers could read in two ways is refused, so that a proxy in front and this server never
disagree on what a request is. Clients in the field need none of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from layerwatch.api.single_headers import repeated_header

MAX_HEAD_BYTES = 32 * 1024
"""Request line and headers. A client's are under 1 KB; a browser's cookies may take a few."""

MAX_TARGET_BYTES = 8 * 1024
MAX_HEADERS = 100

MAX_LENGTH_DIGITS = 15
"""Digits of Content-Length: less than 2**53, exact in every language."""

_REQUEST_LINE = re.compile(rb"([A-Z][A-Z-]{0,15}) ([!-\"$-~]+) HTTP/1\.([01])")
_ABSOLUTE = re.compile(rb"https?://([^/?@]+)((?:[/?].*)?)", re.IGNORECASE)
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_VALUE = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,%d}" % (MAX_LENGTH_DIGITS - 1))


class FramingError(Exception):
    """The bytes are not one plain request. The message is for the client and holds nothing that it sent."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A checked head.

    target: path and query, always beginning with `/`.  headers: names in lower case, values without the
    white space around them.  length: bytes of the body, or None where it comes in chunks.
    """

    method: bytes
    target: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    length: int | None
    keep_alive: bool


def parse_head(head: bytes) -> RequestHead:
    """Parse a head, without the empty line that ends it. Raises FramingError."""
    line, *lines = head.split(b"\r\n")
    matched = _REQUEST_LINE.fullmatch(line)
    if matched is None:
        raise FramingError("The request line is malformed")
    method, target, minor = matched.groups()
    if len(target) > MAX_TARGET_BYTES:
        raise FramingError(f"The request target is longer than {MAX_TARGET_BYTES:,} bytes")
    if len(lines) > MAX_HEADERS:
        raise FramingError(f"The request has more than {MAX_HEADERS} headers")
    headers = [_header(line) for line in lines]
    repeated = repeated_header(name for name, _ in headers)
    if repeated:
        raise FramingError(f"The header {repeated} is given more than once")
    fields = dict(headers)
    connection = b",".join(value for name, value in headers if name == b"connection")
    _check_host(fields.get(b"host"), required=minor == b"1")
    _check_upgrade(fields.get(b"upgrade"))
    if fields.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise FramingError("The only expectation that is understood is 100-continue")
    return RequestHead(
        method=method,
        target=_origin_form(target, fields.get(b"host")),
        version="1.1" if minor == b"1" else "1.0",
        headers=headers,
        length=_body_length(fields, minor),
        keep_alive=minor == b"1" and b"close" not in _tokens(connection),
    )


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    # A folded line begins with white space, which no name does.
    if not colon or _NAME.fullmatch(name) is None or _NOT_IN_VALUE.search(value) is not None:
        raise FramingError("A header line is malformed")
    return name.lower(), value.strip(b" \t")


def _tokens(value: bytes) -> set[bytes]:
    return {token.strip().lower() for token in value.split(b",")}


def _check_host(host: bytes | None, *, required: bool) -> None:
    if host is None and required:
        raise FramingError("The header host is missing")
    if host is not None and _HOST.fullmatch(host) is None:
        raise FramingError("The header host is malformed")


def _check_upgrade(upgrade: bytes | None) -> None:
    """Java's client offers HTTP/2 (`h2c`) with every first request. RFC 9110, 7.8, allows to ignore that;
    after the offer of any other protocol a client or a proxy may change over to it."""
    if upgrade is not None and upgrade.lower() != b"h2c":
        raise FramingError("Upgrades to another protocol are not supported")


def _origin_form(target: bytes, host: bytes | None) -> bytes:
    if target.startswith(b"/"):
        return target
    matched = _ABSOLUTE.fullmatch(target)
    if matched is None or host is None or matched[1].lower() != host.lower():
        raise FramingError("The request target must be a path, or a URL of the host in the header host")
    rest = matched[2]
    return rest if rest.startswith(b"/") else b"/" + rest


def _body_length(fields: dict[bytes, bytes], minor: bytes) -> int | None:
    length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            raise FramingError("Content-Length and Transfer-Encoding exclude each other")
        if coding.lower() != b"chunked" or minor == b"0":
            raise FramingError("The only transfer encoding is chunked, in HTTP/1.1")
        return None
    if length is None:
        return 0
    if _LENGTH.fullmatch(length) is None:
        raise FramingError("Content-Length is not a plain number")
    return int(length)
