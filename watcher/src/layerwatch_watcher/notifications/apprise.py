"""A hundred channels through Apprise: e-mail, Telegram, ntfy, Discord, Pushover, … (extra `[apprise]`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path
from typing import FrozenSet, Optional

import apprise

from layerwatch_watcher.notifications.event import URGENT, USUAL, DeliveryError, Event, Kind
from layerwatch_watcher.waiting import within

SECONDS = 60.0
"""Apprise has timeouts of its own; this ends what hangs in spite of them."""


class AppriseChannel:
    """One Apprise address, such as `ntfy://topic` or `tgram://TOKEN/CHAT`. Raises ValueError if unknown."""

    def __init__(self, url: str, *, kinds: FrozenSet[Kind] = USUAL, picture: bool = True) -> None:
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            scheme = url.split("://", 1)[0][:20]
            raise ValueError(f"Apprise does not understand this address ({scheme}://…)")
        self.name = f"Apprise ({self._apprise[0].service_name})"
        self.kinds = kinds
        self._picture = picture

    async def send(self, event: Event) -> None:
        """Deliver one event, with its picture where the channel carries pictures. Raises DeliveryError."""
        path = _written(event.picture) if self._picture and event.picture else None
        try:
            sent = await within(
                self._apprise.async_notify(
                    body=event.text or event.title,
                    title=event.title if event.text else "",
                    notify_type=_type(event.kind),
                    attach=str(path) if path else None,
                ),
                SECONDS,
            )
        except asyncio.TimeoutError:
            raise DeliveryError("it did not answer in time") from None
        finally:
            if path is not None:
                with contextlib.suppress(OSError):
                    path.unlink()
        if not sent:
            raise DeliveryError("it was not taken; run with --verbose to see why")

    async def close(self) -> None:
        """Nothing is held."""


def _type(kind: Kind) -> apprise.NotifyType:
    if kind in (Kind.PAUSE_SUGGESTED, Kind.PAUSED, Kind.CANCELLED, Kind.ACTION_FAILED):
        return apprise.NotifyType.FAILURE
    return apprise.NotifyType.WARNING if kind is Kind.WARNING or kind in URGENT else apprise.NotifyType.INFO


def _written(picture: Optional[bytes]) -> Path:
    handle, name = tempfile.mkstemp(prefix="layerwatch-", suffix=".jpg")
    with os.fdopen(handle, "wb") as file:
        file.write(picture or b"")
    return Path(name)
