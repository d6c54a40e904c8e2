"""A client's settings: the service's address, the key, time-outs. The key is never shown."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import Callable, Dict, Mapping, Optional
from urllib.parse import urlsplit

from layerwatch_sdk.retry import Retry
from layerwatch_sdk.version import __version__
from layerwatch_sdk.wire import Reply

DEFAULT_URL = "http://127.0.0.1:8080"
URL_VARIABLE = "LAYERWATCH_URL"
KEY_VARIABLE = "LAYERWATCH_API_KEY"
API_VERSIONS = (1, 2)

Traceparent = Callable[[], Optional[str]]
"""Gives the current W3C `traceparent`, or None."""

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Secret:
    """A string that no repr, log line or traceback shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True)
class Timeouts:
    """Seconds. connect: to reach the service. read: of silence. total: for a whole answer, uploads apart."""

    connect: float = 5.0
    read: float = 30.0
    total: float = 60.0


@dataclass(frozen=True)
class Settings:
    """Checked settings of a client."""

    base_url: str = field(repr=False)
    key: Secret
    api_version: Optional[int] = None
    retry: Retry = field(default_factory=Retry)
    timeouts: Timeouts = field(default_factory=Timeouts)
    traceparent: Optional[Traceparent] = None

    @classmethod
    def checked(
        cls,
        api_key: Optional[str],
        base_url: Optional[str],
        api_version: Optional[int],
        retry: Optional[Retry],
        timeouts: Optional[Timeouts],
        traceparent: Optional[Traceparent] = None,
    ) -> Settings:
        """Settings from what the user gave, the environment, and the defaults. Raises ValueError."""
        key = (api_key if api_key is not None else os.environ.get(KEY_VARIABLE, "")).strip()
        if not key:
            raise ValueError(
                f"no API key: pass api_key, or set {KEY_VARIABLE} (make one: layerwatch keys create)"
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("the API key contains invalid characters; copy it again")
        url = (base_url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).strip().rstrip("/")
        parts = urlsplit(url)
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            raise ValueError("the service's URL must be complete, for example http://127.0.0.1:8080")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("the service's URL has no user, query or fragment: just scheme, host and port")
        if api_version is not None and (isinstance(api_version, bool) or api_version not in API_VERSIONS):
            raise ValueError("api_version is 1 or 2, or None to leave it to the key")
        url = url[: -len("/api/gadget/v1")] if url.endswith("/api/gadget/v1") else url
        return cls(url, Secret(key), api_version, retry or Retry(), timeouts or Timeouts(), traceparent)

    def headers(self, more: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
        """A request's headers."""
        headers = {
            "X-API-Key": self.key.reveal(),
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # answers are tiny; a zip bomb from a proxy would not be
            "User-Agent": f"layerwatch-sdk/{__version__}",
        }
        if self.api_version is not None:
            headers["X-API-Version"] = str(self.api_version)
        trace = self.traceparent() if self.traceparent is not None else None
        if trace is not None and _TRACEPARENT.fullmatch(trace):
            headers["traceparent"] = trace
        headers.update(more or {})
        return headers

    def scrubbed(self, reply: Reply) -> Reply:
        """The reply with the key cut out of it, in case a proxy echoes what it was sent."""
        key = self.key.reveal()
        echoed = key.encode() in reply.body or any(key in value for value in reply.headers.values())
        if not echoed:
            return reply
        headers = {name: value.replace(key, "[key]") for name, value in reply.headers.items()}
        return replace(reply, headers=headers, body=reply.body.replace(key.encode(), b"[key]"))

    def __repr__(self) -> str:
        return f"Settings(host={urlsplit(self.base_url).netloc!r}, api_version={self.api_version})"
