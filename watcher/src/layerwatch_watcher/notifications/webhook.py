"""Webhooks: an event as signed JSON, POSTed to an address of the user's."""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Callable, FrozenSet, Optional
from urllib.parse import urlsplit

import httpx

from layerwatch_sdk.webhook_signature import HEADER, sign
from layerwatch_watcher.cameras.http import explain
from layerwatch_watcher.notifications.event import DEFAULT_KINDS, DeliveryError, Event, Kind

REQUEST_TIMEOUT_S = 15.0
_PICTURE_REFUSALS = frozenset({400, 403, 406, 413, 415, 422, 431, 501})
"""Statuses with which receivers refuse a body for its size or content."""


class Webhook:
    """POSTs events as JSON, signed if there is a secret (see `signature`).

    picture: put the picture in, base64-coded. Redirects are not followed: the signature is for this address.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str = "",
        kinds: FrozenSet[Kind] = DEFAULT_KINDS,
        picture: bool = True,
        client: Optional[httpx.AsyncClient] = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("a webhook's url must begin with http:// or https://")
        self.name = f"webhook to {parts.hostname}"
        self.kinds = kinds
        self._url = url
        self._secret = secret
        self._picture = picture
        self._own_client = client is None
        self._client = client or httpx.AsyncClient()
        self._now = now

    async def send(self, event: Event) -> None:
        """Deliver one event. Raises DeliveryError."""
        pictured = self._picture and event.picture is not None
        body = json.dumps(payload(event, picture=self._picture), ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Layerwatch",
            "Layerwatch-Event": event.kind.value,
            "Layerwatch-Delivery": event.id,
        }
        if self._secret:
            headers[HEADER] = sign(self._secret, body, self._now())
        try:
            answer = await self._client.post(
                self._url, content=body, headers=headers, timeout=REQUEST_TIMEOUT_S, follow_redirects=False
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            what, _ = explain(error, f"https://{urlsplit(self._url).hostname}")
            # A receiver that is too small for the picture often just closes the connection.
            broke = isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError))
            raise DeliveryError(what, picture_refused=pictured and broke) from None
        if answer.status_code < 300:
            return
        after = answer.headers.get("retry-after", "")
        raise DeliveryError(
            f"it answered HTTP {answer.status_code}",
            # What the receiver calls our mistake will be one again; timeouts and "too many" will not.
            again=answer.status_code >= 500 or answer.status_code in (408, 425, 429),
            after=float(after) if after.isascii() and after.isdigit() else None,
            picture_refused=pictured and answer.status_code in _PICTURE_REFUSALS,
        )

    async def close(self) -> None:
        """Close the connections, unless the client is somebody else's."""
        if self._own_client:
            await self._client.aclose()


def payload(event: Event, *, picture: bool) -> dict[str, Any]:
    """The event as the JSON object that a receiver gets. Fields are only ever added."""
    inspection = event.inspection
    detail = inspection.detail if inspection else None
    return {
        "id": event.id,
        "event": event.kind.value,
        "time": event.time.isoformat(timespec="seconds"),
        "printer": event.printer,
        "file": event.file,
        "progress": event.progress,
        "title": event.title,
        "text": event.text,
        "inspection": None
        if inspection is None
        else {
            "quality": inspection.print_quality,
            "score": inspection.score,
            "warning": inspection.warning_suggested,
            "pause": inspection.pause_suggested,
            "kind": detail.kind if detail else None,
            "condition": inspection.condition,
        },
        "picture": base64.b64encode(event.picture).decode() if picture and event.picture else None,
    }
