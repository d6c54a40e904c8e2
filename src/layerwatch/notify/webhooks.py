"""Posting to an address that a customer gave, without being led into our own network."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from layerwatch.core import outgoing
from layerwatch.core.egress import ANYWHERE, Reachable


class DeliveryFailed(Exception):
    """An event was not delivered; the message says why and may be shown. status: of the answer, if any."""

    def __init__(self, why: str, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status


class Webhooks:
    """Posts events. `private=True` also to addresses inside private networks (one's own house)."""

    def __init__(self, *, private: bool = False) -> None:
        self._reachable = ANYWHERE if private else Reachable()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """POST a JSON body; the status of the answer, 200 to 299. For a thread without an event loop.

        It takes `outgoing.DEADLINE_S` at most. Raises DeliveryFailed, also for any other status.
        """
        sent: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "User-Agent": "Layerwatch",
        }
        sent.update(headers.items())
        try:
            status = asyncio.run(outgoing.post(url, sent, body, self._reachable))
        except outgoing.RequestFailed as error:
            raise DeliveryFailed(str(error)) from error
        if not 200 <= status < 300:
            raise DeliveryFailed(f"the answer's status was {status}", status)
        return status
