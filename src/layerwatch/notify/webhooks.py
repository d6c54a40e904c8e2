"""Posting a signed event to an address that a customer gave, without being led into our own network."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpcore

from layerwatch.core.egress import CheckedBackend

PATIENCE = 10.0
"""Seconds for each step of a delivery."""


class WebhookError(Exception):
    """The event was not taken; the message says why."""


class Webhooks:
    """Delivers events. `private=True` also to addresses inside private networks (one's own house)."""

    def __init__(self, *, private: bool = False) -> None:
        self._backend = httpcore.SyncBackend() if private else CheckedBackend()

    def deliver(self, url: str, secret: str, event: Mapping[str, Any], now: datetime) -> None:
        """POST the event as JSON, signed; redirects are not followed. Raises WebhookError.

        Header `Layerwatch-Signature: t=SECONDS,v1=HEX`, HEX being HMAC-SHA256 under `secret` of
        `SECONDS.BODY`. The receiver should refuse a t that is more than five minutes off.
        """
        body = json.dumps(event, ensure_ascii=False).encode()
        headers: Mapping[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "User-Agent": "Layerwatch",
            "Layerwatch-Signature": signature(secret, body, now),
        }
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), PATIENCE)
        try:
            with httpcore.ConnectionPool(network_backend=self._backend) as pool:
                answer = pool.request(
                    "POST", url, headers=headers, content=body, extensions={"timeout": timeouts}
                )
        except (
            httpcore.NetworkError,
            httpcore.TimeoutException,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
            ValueError,
        ) as error:
            raise WebhookError(f"the webhook could not be delivered: {type(error).__name__}") from error
        if not 200 <= answer.status < 300:
            raise WebhookError(f"the webhook answered with status {answer.status}")


def signature(secret: str, body: bytes, now: datetime) -> str:
    """The value of the header Layerwatch-Signature."""
    seconds = int(now.timestamp())
    proof = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={proof}"
