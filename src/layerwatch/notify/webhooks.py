"""Posting a signed event to an address that a customer gave, without being led into our own network."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from layerwatch.core import outgoing
from layerwatch.core.egress import ANYWHERE, Reachable


class WebhookError(Exception):
    """The event was not delivered; the message says why."""


class Webhooks:
    """Delivers events. `private=True` also to addresses inside private networks (one's own house)."""

    def __init__(self, *, private: bool = False) -> None:
        self._reachable = ANYWHERE if private else Reachable()

    def deliver(self, url: str, secret: str, event: Mapping[str, Any], now: datetime) -> None:
        """POST the event as JSON, signed; for a thread without an event loop. Raises WebhookError.

        It takes `outgoing.DEADLINE_S` at most. Header `Layerwatch-Signature: t=SECONDS,v1=HEX`, HEX being
        HMAC-SHA256 under `secret` of `SECONDS.BODY`. The receiver should refuse a t that is more than five
        minutes off.
        """
        body = json.dumps(event, ensure_ascii=False).encode()
        headers: outgoing.Headers = {
            "Content-Type": "application/json",
            "User-Agent": "Layerwatch",
            "Layerwatch-Signature": signature(secret, body, now),
        }
        try:
            status = asyncio.run(outgoing.post(url, headers, body, self._reachable))
        except outgoing.RequestFailed as error:
            raise WebhookError(f"the webhook could not be delivered: {error}") from error
        if not 200 <= status < 300:
            raise WebhookError(f"the webhook answered with status {status}")


def signature(secret: str, body: bytes, now: datetime) -> str:
    """The value of the header Layerwatch-Signature."""
    seconds = int(now.timestamp())
    proof = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={proof}"
