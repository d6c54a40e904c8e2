"""Malformed and smuggling requests without end, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

BASE = "/api/gadget/v1"
Pieces = list[bytes]
"""What is sent at once; between two of them the attacker pauses."""

PADDING = b"\r\n" * 8192
"""Empty lines, which many servers skip before a request. Enough that a proxy hands them on at once."""


def hostile_requests(seed: int, key: str) -> Iterator[Pieces]:
    """Requests of an attacker who has a key of his own, in random order and variation."""
    rng = random.Random(seed)
    while True:
        yield rng.choice(_KINDS)(rng, key)


def _inner(rng: random.Random, key: str) -> bytes:
    """The request that is to be read where nobody sent one: whole, or one that swallows the next head."""
    head = f"POST {BASE}/createcontext HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Length: "
    if rng.random() < 0.5:
        return f"{head}2\r\n\r\n{{}}".encode()
    return f"{head}{rng.randrange(50, 400)}\r\n\r\n".encode()


def _head(key: str, *lines: str, path: str = f"{BASE}/createcontext", method: str = "POST") -> bytes:
    given = [f"{method} {path} HTTP/1.1", "Host: localhost", f"X-API-Key: {key}", *lines]
    return "\r\n".join([*given, "", ""]).encode("latin-1")


def _upgrade(rng: random.Random, key: str) -> Pieces:
    protocol = rng.choice(["foo", "h2c", "websocket", "TLS/1.0", "HTTP/2.0"])
    inner = _inner(rng, key)
    padding = PADDING if rng.random() < 0.5 else b""
    size = len(padding) + len(inner)
    head = _head(
        key, "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", f"Content-Length: {size}"
    )
    return [head + padding, inner]


def _both_lengths(rng: random.Random, key: str) -> Pieces:
    inner = _inner(rng, key)
    lines = [f"Content-Length: {len(inner) + 5}", f"Transfer-Encoding: {rng.choice(_CODINGS)}"]
    rng.shuffle(lines)
    return [_head(key, *lines) + b"0\r\n\r\n", inner]


_CODINGS = (
    *("chunked", "Chunked", " chunked", "\tchunked", "chunked, identity", "identity", "x", "chunked\x0b"),
    *("gzip, chunked", "chunked, chunked", '"chunked"', "chunked;a=b", "\xa0chunked"),
)


def _odd_coding(rng: random.Random, key: str) -> Pieces:
    name = rng.choice(
        ["Transfer-Encoding", "Transfer-Encoding ", "Transfer_Encoding", "X:\nTransfer-Encoding"]
    )
    return [_head(key, f"{name}: {rng.choice(_CODINGS)}") + b"0\r\n\r\n", _inner(rng, key)]


def _odd_length(rng: random.Random, key: str) -> Pieces:
    inner = _inner(rng, key)
    size = len(inner)
    form = rng.choice(
        ["{0}, {0}", "+{0}", "-{0}", "0{0}", "0x{0:x}", "{0} ", "{0}\r\nContent-Length: 0", "{0}.0"]
    )
    return [_head(key, "Content-Length: " + form.format(size)), inner]


def _odd_chunks(rng: random.Random, key: str) -> Pieces:
    inner = _inner(rng, key)
    body = rng.choice(
        [
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"5\nhello\n0\n\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b"5;a\nb\r\nhello\r\n0\r\n\r\n",
            b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n',
            b"4\r\nhello\r\n0\r\n\r\n",
            b"ffffffffffffffff5\r\nhello\r\n0\r\n\r\n",
            b"-1\r\nhello\r\n0\r\n\r\n",
            b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
            b"0\r\nContent-Length: 5\r\n\r\n",
            b"0\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        ]
    )
    return [_head(key, "Transfer-Encoding: chunked") + body, inner]


def _odd_header(rng: random.Random, key: str) -> Pieces:
    line = rng.choice(
        [
            "X: a\r\n b",
            "X : a",
            "X\x00: a",
            "X: a\x00b",
            "X: a\rY: b",
            "X: a\nContent-Length: 50",
            ": a",
            "X",
            "Host: other",
            "X-API-Key: other",
            "Content-Type: a\r\nContent-Type: b",
            "X: " + "a" * rng.choice([20_000, 70_000]),
            "\r\n".join(f"X-{number}: a" for number in range(300)),
            "Expect: a-miracle",
        ]
    )
    return [_head(key, line, "Content-Length: 0"), _inner(rng, key)]


def _odd_request_line(rng: random.Random, key: str) -> Pieces:
    line = rng.choice(
        [
            "GET  /livez HTTP/1.1",
            "GET\t/livez HTTP/1.1",
            "GET /livez",
            "GET /livez HTTP/0.9",
            "GET /livez HTTP/1.1 ",
            "GET /livez HTTP/2.0",
            "get /livez HTTP/1.1",
            "GET http://other/livez HTTP/1.1",
            "GET http://a@localhost/livez HTTP/1.1",
            "GET livez HTTP/1.1",
            "GET /\xff HTTP/1.1",
            "GET /livez#a HTTP/1.1",
            "CONNECT other:443 HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "PRI * HTTP/2.0",
            f"GET /{'a' * 20_000} HTTP/1.1",
        ]
    )
    return [f"{line}\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n".encode("latin-1"), _inner(rng, key)]


def _cut_off(rng: random.Random, key: str) -> Pieces:
    whole = _head(key, "Content-Length: 500") + b"{}"
    return [whole[: rng.randrange(1, len(whole))]]


def _noise(rng: random.Random, key: str) -> Pieces:
    whole = bytearray(_head(key, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n")
    for _ in range(rng.randrange(1, 6)):
        whole[rng.randrange(len(whole))] = rng.randrange(256)
    return [bytes(whole), _inner(rng, key)]


_KINDS = (
    *(_upgrade, _both_lengths, _odd_coding, _odd_length, _odd_chunks),
    *(_odd_header, _odd_request_line, _cut_off, _noise),
)
