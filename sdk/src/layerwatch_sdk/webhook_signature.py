"""The header Layerwatch-Signature of webhooks, for senders and receivers.

`t=SECONDS,v1=HEX`, HEX being HMAC-SHA256 under the secret of `SECONDS.BODY`.

The time is signed too, so that a recorded delivery cannot be played again later.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Union

HEADER = "Layerwatch-Signature"
TOLERANCE_S = 300
"""Seconds by which sender's and receiver's clocks may differ."""


class SignatureError(ValueError):
    """The delivery was not signed with this secret, or not now."""


def sign(secret: Union[str, bytes], body: bytes, now: Union[int, float]) -> str:
    """The header's value for `body` sent at `now`, in seconds since 1970."""
    stamp = str(int(now))
    return f"t={stamp},v1={_digest(secret, stamp, body)}"


def verify(
    secret: Union[str, bytes], body: bytes, header: str, now: Union[int, float], tolerance: int = TOLERANCE_S
) -> None:
    """For receivers. Raises SignatureError, saying why, unless `header` signs `body` and is of about now."""
    fields = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp, digest = fields.get("t", ""), fields.get("v1", "")
    if not stamp.isascii() or not stamp.isdigit() or not digest:
        raise SignatureError("the signature header is not of the form t=…,v1=…")
    if not hmac.compare_digest(digest.encode(), _digest(secret, stamp, body).encode()):
        raise SignatureError("the signature does not match the body and the secret")
    if abs(now - int(stamp)) > tolerance:
        raise SignatureError("the delivery is too old, or a clock is wrong")


def _digest(secret: Union[str, bytes], stamp: str, body: bytes) -> str:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
