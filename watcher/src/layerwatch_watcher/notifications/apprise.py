"""A hundred channels through Apprise: e-mail, Telegram, ntfy, Discord, Pushover, … (extra `[apprise]`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, FrozenSet, List
from urllib.parse import unquote_plus

import apprise
import requests

from layerwatch_watcher.notifications.event import DEFAULT_KINDS, URGENT_KINDS, DeliveryError, Event, Kind
from layerwatch_watcher.waiting import within

SEND_TIMEOUT_S = 60.0
"""Apprise has its own timeouts; this one ends what hangs in spite of them."""
_NEEDLE_CHARACTERS = 24


class AppriseChannel:
    """One Apprise address, such as `ntfy://topic` or `tgram://TOKEN/CHAT`. Raises ValueError if unknown."""

    def __init__(self, url: str, *, kinds: FrozenSet[Kind] = DEFAULT_KINDS, picture: bool = True) -> None:
        service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if service is None:
            scheme = url.split("://", 1)[0][:20]
            raise ValueError(f"Apprise does not understand this address ({scheme}://…)")
        self._service = service
        self.name = f"Apprise ({service.service_name})"
        self.kinds = kinds
        self._picture = picture

    async def send(self, event: Event) -> None:
        """Deliver one event, with its picture where the channel carries pictures. Raises DeliveryError."""
        picture = event.picture if self._picture else None
        loop = asyncio.get_running_loop()
        try:
            sent, text_taken = await within(
                loop.run_in_executor(None, self._notify, event, picture), SEND_TIMEOUT_S
            )
        except asyncio.TimeoutError:
            raise DeliveryError("it did not answer in time", picture_refused=picture is not None) from None
        if not sent:
            # Apprise does not say why: the picture is the likeliest reason, and the text is what matters.
            raise DeliveryError(
                "it was not accepted; run with --verbose to see why",
                picture_refused=picture is not None,
                text_taken=text_taken,
            )

    def _notify(self, event: Event, picture: Any) -> tuple[bool, bool]:
        """Whether all of it was accepted, and whether the text was. Runs in a thread of its own."""
        path = _written(picture) if picture else None
        try:
            with _accepted_requests() as accepted:
                sent = self._service.notify(
                    body=event.text or event.title,
                    title=event.title if event.text else "",
                    notify_type=_type(event.kind),
                    attach=apprise.AppriseAttachment(str(path)) if path else None,
                )
        except TypeError:  # what Apprise's services raise for a notification that they cannot carry
            return False, False
        else:
            return bool(sent), any(_carries(request, event.text or event.title) for request in accepted)
        finally:
            if path is not None:
                with contextlib.suppress(OSError):
                    path.unlink()

    async def close(self) -> None:
        """Nothing is held."""


def _type(kind: Kind) -> apprise.NotifyType:
    if kind in (Kind.PAUSE_SUGGESTED, Kind.PAUSED, Kind.CANCELLED, Kind.ACTION_FAILED):
        return apprise.NotifyType.FAILURE
    return (
        apprise.NotifyType.WARNING
        if kind is Kind.WARNING or kind in URGENT_KINDS
        else apprise.NotifyType.INFO
    )


def _written(picture: bytes) -> Path:
    handle, name = tempfile.mkstemp(prefix="layerwatch-", suffix=".jpg")
    with os.fdopen(handle, "wb") as file:
        file.write(picture)
    return Path(name)


# Apprise reports success or failure of a whole notification. Services that take text and picture in separate
# requests (Discord, Telegram, …) may accept one and refuse the other; only the requests show which.
_watch = threading.local()
_send = requests.Session.send


def _watched_send(
    self: requests.Session, request: requests.PreparedRequest, **options: Any
) -> requests.Response:
    answer = _send(self, request, **options)
    accepted = getattr(_watch, "accepted", None)
    if accepted is not None and answer.status_code < 300:
        accepted.append(request)
    return answer


requests.Session.send = _watched_send  # type: ignore[method-assign]


@contextlib.contextmanager
def _accepted_requests() -> Iterator[List[requests.PreparedRequest]]:
    """The requests of this thread that were answered with success."""
    _watch.accepted = []
    try:
        yield _watch.accepted
    finally:
        _watch.accepted = None


def _carries(request: requests.PreparedRequest, text: str) -> bool:
    """Whether the request held the message's text, in whatever encoding: a login does not."""
    body = request.body or b""
    raw = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    headers = " ".join(str(value) for value in request.headers.values())
    needle = _plain(text)[:_NEEDLE_CHARACTERS]
    return bool(needle) and needle in _plain(unquote_plus(f"{raw} {headers} {request.url}"))


def _plain(text: str) -> str:
    return re.sub(r"\\u[0-9a-f]{4}|\\[nrt]|[^a-z0-9]", "", text.lower())
