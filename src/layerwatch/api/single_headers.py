"""Request headers that have one value. Given twice, no two programs agree on which one counts."""

from __future__ import annotations

from collections.abc import Iterable

SINGLE_HEADERS = frozenset(
    (
        *(b"authorization", b"content-length", b"content-type", b"cookie", b"expect", b"host"),
        *(b"idempotency-key", b"origin", b"sec-fetch-site", b"stripe-signature", b"traceparent"),
        *(b"transfer-encoding", b"upgrade", b"x-api-key", b"x-api-version"),
    )
)
"""In lower case: what frames a request, and what the application reads as one value."""


def repeated_header(names: Iterable[bytes]) -> str:
    """The first of these header names, in lower case, that must be single and is not; else empty."""
    seen = set()
    for name in names:
        if name in SINGLE_HEADERS:
            if name in seen:
                return name.decode("ascii")
            seen.add(name)
    return ""
