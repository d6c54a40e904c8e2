"""Talking to a printer's HTTP interface, with every failure in plain words."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any, Optional

import httpx

from layerwatch_watcher.cameras.addresses import http_address, redact, with_scheme
from layerwatch_watcher.cameras.http import explain
from layerwatch_watcher.printers.base import PrinterError, PrinterSetupError


class Refused(PrinterError):
    """The printer's software answered, but not with success. `status` is the HTTP status."""

    def __init__(self, what: str, hint: str, status: int) -> None:
        # Behind a proxy, a 5xx may be the proxy's: the command may have got through.
        super().__init__(what, hint, refused=status < 500)
        self.status = status


class ControlRefused(PrinterSetupError):
    """The login may read, but not command."""


class PrinterHttp:
    """One base address, one login, JSON in and out.

    software: what is expected there, for messages.
    login_hint: what to do when the login is refused.
    control_hint: what to do when the login may read but not command; empty where logins may do everything.
    client: shared by many printers; only a client that was made here is closed here.
    tls: for a printer with a self-signed certificate (see `private_tls`); it then has its own client.
    """

    def __init__(
        self,
        software: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        auth: Optional[httpx.Auth] = None,
        client: Optional[httpx.AsyncClient] = None,
        tls: Optional[ssl.SSLContext] = None,
        timeout: float = 10.0,
        login_hint: str = "check the API key",
        control_hint: str = "",
    ) -> None:
        url = with_scheme(url.strip()).rstrip("/")
        try:
            _, user, password = http_address(url)
        except ValueError:
            raise PrinterSetupError(
                f"{redact(url)} is not an http address", "write it as http://HOST or http://HOST:PORT"
            ) from None
        if auth is None and user:
            auth = httpx.BasicAuth(user, password)
        self.software = software
        self.base = redact(url)
        self._headers = dict(headers or {})
        self._auth = auth
        self._own_client = client is None or tls is not None
        self.client = client if client is not None and tls is None else httpx.AsyncClient(verify=tls or True)
        self._timeout = timeout
        self._login_hint = login_hint
        self._control_hint = control_hint

    async def json(
        self,
        method: str,
        path: str,
        *,
        body: Optional[object] = None,
        content: Optional[str] = None,
        params: Optional[Mapping[str, str]] = None,
        headers: Optional[Mapping[str, str]] = None,
        patience: Optional[float] = None,
    ) -> Any:
        """Call, and give the answer's JSON; None for an empty answer. Raises PrinterError, Refused."""
        text = await self.text(
            method, path, body=body, content=content, params=params, headers=headers, patience=patience
        )
        if not text.strip():
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise PrinterError(
                f"what answers at {self.base} is not {self.software}", "check host and port"
            ) from None

    async def text(
        self,
        method: str,
        path: str,
        *,
        body: Optional[object] = None,
        content: Optional[str] = None,
        params: Optional[Mapping[str, str]] = None,
        headers: Optional[Mapping[str, str]] = None,
        patience: Optional[float] = None,
    ) -> str:
        """Call, and give the answer's text. patience: seconds, where it may take longer than usual.

        Raises PrinterError, Refused.
        """
        try:
            answer = await self.client.request(
                method,
                self.base + path,
                json=body,
                content=content,
                params=params,
                headers={**self._headers, **(headers or {})},
                auth=self._auth,
                timeout=patience or self._timeout,
            )
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            what, hint = explain(error, self.base)
            raise PrinterError(what, hint) from None
        self._check(answer)
        return answer.text

    def _check(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if status < 300:
            return
        if status == 403 and answer.request.method != "GET" and self._control_hint:
            raise ControlRefused(
                f"{self.software} at {self.base} does not let this login control the printer (HTTP 403)",
                self._control_hint,
            )
        if status in (401, 403):
            raise PrinterSetupError(
                f"{self.software} at {self.base} refuses the login (HTTP {status})", self._login_hint
            )
        if status < 400:
            raise PrinterSetupError(
                f"{self.base} sends elsewhere (HTTP {status})", "use the final address, often https://"
            )
        if status == 404:
            raise Refused(
                f"{self.base} does not know {answer.request.url.path} (HTTP 404)",
                f"check that this is {self.software}, and not too old",
                status,
            )
        if status in (502, 503, 504):
            raise Refused(
                f"{self.software} behind {self.base} is not up (HTTP {status})", "see that it runs", status
            )
        raise Refused(f"{self.software} at {self.base} answered HTTP {status}{_detail(answer)}", "", status)

    async def close(self) -> None:
        """Close the connections, unless the client is somebody else's."""
        if self._own_client:
            await self.client.aclose()


def _detail(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return ""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    return f": {error[:200]}" if isinstance(error, str) else ""


def mapping(value: object) -> dict[str, Any]:
    """`value` if it is a JSON object, else an empty one, so that a missing part does not crash."""
    return value if isinstance(value, dict) else {}
