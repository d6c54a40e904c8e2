"""Fetching a picture from an address that a client names: checked, bounded in bytes, time and hops."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from urllib.parse import unquote, urljoin

import httpcore
import httpx

from layerwatch.core.egress import AddressNotPublic, CheckedBackend, Reachable
from layerwatch.vision import MAX_PICTURE_BYTES

FETCH_TIMEOUT_S = 10.0
"""For the whole fetch: name lookup, connection, redirects and picture."""
MAX_REDIRECTS = 3
MAX_URL = 2048
_PICTURE_TYPES = ("", "application/octet-stream", "binary/octet-stream")
_MOVED = {301, 302, 303, 307, 308}


class FetchFailed(Exception):
    """There is no picture to judge. `str()` says why and what to do; `outcome` is a word for the metrics."""

    def __init__(self, outcome: str, what: str) -> None:
        super().__init__(what)
        self.outcome = outcome


class Fetcher:
    """Fetches one picture at a time for each call; no connection is kept."""

    def __init__(self, reachable: Reachable) -> None:
        self._backend = CheckedBackend(reachable)
        self._tls: ssl.SSLContext | None = None

    async def picture(self, url: str, hold: Callable[[int], None]) -> bytes:
        """Fetch the bytes at `url`, http or https. hold: called with each chunk's size before it is buffered.

        Raises FetchFailed.
        """
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                return await self._follow(url, hold)
        except TimeoutError:
            raise FetchFailed(
                "unreachable", f"The picture did not come within {FETCH_TIMEOUT_S:g} s."
            ) from None
        except AddressNotPublic:
            raise FetchFailed(
                "not_allowed",
                "The picture's address is in a private network. This server fetches from there only what its "
                "operator lists in LAYERWATCH_OBICO_HOSTS.",
            ) from None
        except (
            httpcore.NetworkError,
            httpcore.TimeoutException,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
            ssl.SSLError,
        ):
            raise FetchFailed("unreachable", "The picture's address does not answer.") from None

    async def _follow(self, url: str, hold: Callable[[int], None]) -> bytes:
        target = _checked(url)
        login, host = target.userinfo, target.host
        async with httpcore.AsyncConnectionPool(
            ssl_context=self._ssl() if target.scheme == "https" else None, network_backend=self._backend
        ) as pool:
            for _ in range(MAX_REDIRECTS + 1):
                headers: dict[bytes | str, bytes | str] = {
                    "Host": target.netloc.decode("ascii"),
                    "Accept": "image/jpeg",
                    "User-Agent": "Layerwatch",
                }
                if login and target.host == host:
                    headers["Authorization"] = _basic(login)
                bare = httpcore.URL(
                    scheme=target.raw_scheme,
                    host=target.raw_host,
                    port=target.port,
                    target=target.raw_path,
                )
                async with pool.stream("GET", bare, headers=headers) as answer:
                    named = {name.lower(): value.decode("latin-1") for name, value in answer.headers}
                    if answer.status in _MOVED and b"location" in named:
                        target = _checked(urljoin(str(target.copy_with(userinfo=b"")), named[b"location"]))
                        continue
                    return await _body(answer, named, hold)
        raise FetchFailed("not_a_picture", f"More than {MAX_REDIRECTS} redirects.")

    def _ssl(self) -> ssl.SSLContext:
        self._tls = self._tls or httpcore.default_ssl_context()
        return self._tls


def host_of(url: str) -> str:
    """Host and port of an address, for logs: without login, path and query, which hold cameras' secrets."""
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return ""
    return target.netloc.decode("ascii", "replace")[:260]


def _checked(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        target = httpx.URL()
    if target.scheme not in ("http", "https") or not target.host or len(url) > MAX_URL:
        raise FetchFailed("bad_address", "img must be the http or https address of a JPEG.")
    return target


def _basic(userinfo: bytes) -> str:
    user, _, password = userinfo.decode("ascii", "replace").partition(":")
    return "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode("ascii")


async def _body(answer: httpcore.Response, headers: dict[bytes, str], hold: Callable[[int], None]) -> bytes:
    if answer.status != 200:
        raise FetchFailed("not_a_picture", f"The picture's address answers with status {answer.status}.")
    kind = headers.get(b"content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        raise FetchFailed("not_a_picture", "That is a video stream; give the camera's snapshot address.")
    if not kind.startswith("image/") and kind not in _PICTURE_TYPES:
        raise FetchFailed(
            "not_a_picture", "The address does not return a picture, but another type of content."
        )
    picture = bytearray()
    length = headers.get(b"content-length", "0")
    if not length.isdigit() or int(length) > MAX_PICTURE_BYTES:
        raise _too_large()
    async for chunk in answer.aiter_stream():
        if len(picture) + len(chunk) > MAX_PICTURE_BYTES:
            raise _too_large()
        hold(len(chunk))
        picture += chunk
    return bytes(picture)


def _too_large() -> FetchFailed:
    return FetchFailed("not_a_picture", f"The picture has more than {MAX_PICTURE_BYTES:,} bytes.")
