"""Clients in the field, as they behave on the wire. Written for these tests after the clients' public
behaviour; none of their code is here.

Each insists on the host names of the service it was made for: it calls `createcontext` at a name that is
built in, and accepts only https URLs of that domain, at the usual port.
"""

from __future__ import annotations

import http.client
import json
import ssl
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

DOMAIN = "older-service.test"
PRIMARY = f"primary.{DOMAIN}"
FALLBACK = f"fallback.{DOMAIN}"
CREATE = f"https://{PRIMARY}/api/gadget/v1/createcontext"
LOST = (500, "OE_INTERNAL_ERROR", "Failed to get context object.")
KEY_OR_ACCOUNT = {
    "OE_INVALID_API_KEY",
    "OE_API_KEY_DISABLED",
    "OE_API_KEY_IP_RESTRICTED",
    "OE_API_KEY_BLOCKED_PAYMENT_FAILED",
    "OE_FREE_USAGE_LIMIT_REACHED",
}


@dataclass
class Client:
    """What the scenarios want of each: `inspect` returns whether there was an answer."""

    key: str
    trusted: ssl.SSLContext
    opened: int = 0
    stopped: str = ""
    """The error that stopped every printer of the customer, if one did."""
    answers: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._http = httpx.Client(verify=self.trusted, timeout=30, trust_env=False)

    def inspect(self, jpeg: bytes) -> bool:
        """Have a picture inspected, by whatever way the client knows; whether there was an answer."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every connection."""
        self._http.close()


class OlderSdk(Client):
    """The older official SDK: no retry; any failure moves it to the fallback URL for the rest of the session;
    it never opens a second context. The interval is an int."""

    sends_levels = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._urls: tuple[str, str] | None = None
        self._on_fallback = False

    def inspect(self, jpeg: bytes) -> bool:
        headers = {"X-API-Key": self.key}
        try:
            if self._urls is None:
                levels = {"WarningConfidenceLevel": None, "PauseConfidenceLevel": None}
                opened = self._http.post(CREATE, headers=headers, json=levels if self.sends_levels else None)
                opened = opened.raise_for_status().json()
                self._urls = (opened["ProcessRequestUrl"], opened["FallbackProcessRequestUrl"])
                self.opened += 1
            url = self._urls[self._on_fallback]
            answer = self._http.post(url, headers=headers, files={"attachment": ("snapshot", jpeg)})
            answer.raise_for_status()
        except httpx.HTTPError:
            self._on_fallback = self._urls is not None
            return False
        verdict = answer.json()
        assert max(20, verdict["NextProcessIntervalSec"]) >= 20
        assert None not in (verdict["PrintQuality"], verdict["WarningSuggested"], verdict["PauseSuggested"])
        self.answers.append(verdict)
        return True


class FirstSdk(OlderSdk):
    """Its first version: `createcontext` without a body, callbacks with the score alone."""

    sends_levels = False


class FarmManager(Client):
    """A print farm's manager: the object form; only URLs of the service's domain; a new context only on the
    exact triple; a key's or an account's error stops every printer; the fallback URL after a transport's or a
    server's error."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._urls: list[str] = []

    def inspect(self, jpeg: bytes) -> bool:
        if self.stopped:
            return False
        headers = {"X-API-Key": self.key}
        try:
            if not self._urls:
                levels = {"WarningConfidenceLevel": 3, "PauseConfidenceLevel": 3}
                opened = self._checked(self._http.post(CREATE, headers=headers, json=levels))
                self._urls = [
                    only_ours(opened[name]) for name in ("ProcessRequestUrl", "FallbackProcessRequestUrl")
                ]
                self.opened += 1
            files = {"image": ("frame.jpg", jpeg, "image/jpeg")}
            for url in tuple(self._urls):
                try:
                    verdict = self._checked(self._http.post(url, headers=headers, files=files))
                except (httpx.TransportError, httpx.HTTPStatusError):
                    self._urls.reverse()
                    continue
                interval = verdict["NextProcessIntervalSec"]
                assert type(interval["Minimum"]) is int and type(interval["Recommended"]) is int
                assert isinstance(verdict["FasterInspectionSuggested"], bool)
                self.answers.append(verdict)
                return True
        except httpx.HTTPError:
            pass
        return False

    def _checked(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.status_code == 200:
            found: dict[str, Any] = answer.json()
            return found
        error = answer.json()
        if (answer.status_code, error["ErrorType"], error["ErrorDetails"]) == LOST:
            self._urls = []
        if error["ErrorType"] in KEY_OR_ACCOUNT or answer.status_code in (401, 403):
            self.stopped = error["ErrorType"]
        answer.raise_for_status()
        raise AssertionError("a success that is not 200")


class CompiledClient(Client):
    """A client in a compiled language: kept HTTP/1.1 connections, no redirects, every field's type checked,
    `{}` as body, an Idempotency-Key for each picture, the fallback URL only for a 5xx or a broken connection.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._connections: dict[str, http.client.HTTPSConnection] = {}
        self._urls: list[str] = []

    def inspect(self, jpeg: bytes) -> bool:
        boundary = uuid.uuid4().hex
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="print.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        )
        body = head.encode() + jpeg + f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        if not self._urls:
            status, opened = self._post(CREATE, b"{}", {"Content-Type": "application/json"})
            if status != 200:
                return False
            self._urls = [
                only_ours(opened[name]) for name in ("ProcessRequestUrl", "FallbackProcessRequestUrl")
            ]
            self.opened += 1
        for url in tuple(self._urls):
            status, verdict = self._post(url, body, headers)
            if status == 200:
                interval = verdict["NextProcessIntervalSec"]
                assert {type(interval["Minimum"]), type(interval["Recommended"])} == {int}
                assert 1 <= verdict["PrintQuality"] <= 10 and type(verdict["Score"]) is int
                self.answers.append(verdict)
                return True
            if verdict.get("ErrorType") in KEY_OR_ACCOUNT:
                self.stopped = verdict["ErrorType"]
            if status and status < 500:
                return False
            self._urls.reverse()
        return False

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and JSON object; status 0 where the connection broke."""
        parts = urlsplit(url)
        host = str(parts.hostname)
        for fresh in (False, True):  # a kept connection may have been closed meanwhile
            connection = None if fresh else self._connections.pop(host, None)
            if connection is None:
                if not fresh:
                    continue
                connection = http.client.HTTPSConnection(host, timeout=15, context=self.trusted)
            try:
                connection.request("POST", parts.path, body, {"X-API-Key": self.key, **headers})
                answer = connection.getresponse()
                content = answer.read(64 * 1024)
            except (OSError, http.client.HTTPException):
                connection.close()
                continue
            self._connections[host] = connection
            return answer.status, json.loads(content)
        return 0, {}

    def close(self) -> None:
        super().close()
        for connection in self._connections.values():
            connection.close()


def only_ours(url: str) -> str:
    """The URL, if it is https at the usual port of the domain that is built in."""
    parts = urlsplit(url)
    assert parts.scheme == "https" and parts.port in (None, 443), url
    assert str(parts.hostname).endswith(f".{DOMAIN}"), url
    assert not parts.fragment and parts.username is None, url
    return url
