"""Signatures of webhooks, by the Standard Webhooks scheme (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A new signing secret: `whsec_` and 32 random bytes in base64."""
    return as_secret(secrets.token_bytes(SECRET_BYTES))


def as_secret(key: bytes) -> str:
    """The text of a signing secret with this key."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """The key in a signing secret's text."""
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX))


def signature_headers(secrets_: Sequence[str], event_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed webhook, with a signature for each secret.

    seconds: when it is sent, Unix time. A receiver refuses one that is more than five minutes off, and one
    whose id it has seen.
    """
    content = b"%s.%d.%s" % (event_id.encode(), seconds, body)
    signatures = " ".join(
        "v1," + base64.b64encode(hmac.digest(key_of(secret), content, hashlib.sha256)).decode()
        for secret in secrets_
    )
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signatures,
    }
