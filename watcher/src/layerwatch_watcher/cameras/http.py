"""Cameras that answer over HTTP: a snapshot address or an MJPEG stream, distinguished by the answer.

Also the one place where an httpx failure is turned into plain words, for cameras and printers alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Optional
from urllib.parse import urlsplit

import httpx

from layerwatch_sdk import MAX_PICTURE_BYTES
from layerwatch_watcher.cameras.addresses import http_address, redact, with_scheme
from layerwatch_watcher.cameras.base import CameraError, CameraSetupError, checked
from layerwatch_watcher.cameras.mjpeg import MjpegParser
from layerwatch_watcher.cameras.raw_http import read_picture
from layerwatch_watcher.waiting import within

# A stream that has sent this much without one whole frame is not going to.
_STREAM_BYTES_WITHOUT_FRAME = 32 * 1024 * 1024
_PAGE_BYTES = 64 * 1024
WHOLE_SNAPSHOT_FACTOR = 3.0
"""A snapshot may take this many times the timeout of its parts, redirects and login included."""


class HttpCamera:
    """A JPEG snapshot or an MJPEG stream behind one address.

    A stream is opened for each picture and closed after its first whole frame. `stale_frames` skips
    that many frames first, for servers whose stream begins with the frame that the last viewer saw.

    url: http or https, may hold `user:password@`. Private addresses are fine: this runs on the
        user's own machine, with an address that the user wrote.
    digest: answer a digest challenge with that login instead of sending it as Basic.
    client: shared by many cameras; the camera closes only a client that it made itself.
    tls: for a camera with a self-signed certificate (see `private_tls`); it then has its own client.
    timeout: seconds for the whole picture to begin, and between two pieces of it.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        password: str = "",
        digest: bool = False,
        headers: Optional[dict[str, str]] = None,
        client: Optional[httpx.AsyncClient] = None,
        tls: Optional[ssl.SSLContext] = None,
        timeout: float = 10.0,
        stale_frames: int = 0,
    ) -> None:
        url = with_scheme(url)
        self.shown = redact(url)
        """The address without secrets, for messages."""
        try:
            self._url, url_user, url_password = http_address(url)
        except ValueError:
            raise CameraSetupError(
                f"{self.shown} is not an http address", "write it as http://HOST/PATH, as a browser shows it"
            ) from None
        self._login = (url_user or user, url_password or password)
        self._digest = digest
        self._auth = _auth(*self._login, digest)
        self._headers = headers or {}
        self._tls = tls
        self._own_client = client is None or tls is not None
        self._client = client if client is not None and tls is None else httpx.AsyncClient(verify=tls or True)
        self._timeout = timeout
        self._stale_frames = stale_frames

    async def snapshot(self) -> bytes:
        """One whole JPEG. Raises CameraError."""
        try:
            return await within(self._snapshot(), WHOLE_SNAPSHOT_FACTOR * self._timeout)
        except asyncio.TimeoutError:
            raise CameraError(
                f"{self.shown} sent no complete picture in {WHOLE_SNAPSHOT_FACTOR * self._timeout:g} s",
                "the camera or the network is too slow; lower its resolution, or restart it",
            ) from None

    async def _snapshot(self) -> bytes:
        try:
            return await self._requested()
        except httpx.RemoteProtocolError as error:
            picture = await self._ignoring_the_wrapping()
            if picture is None:
                raise CameraError(*explain(error, self.shown)) from None
            return checked(picture, self.shown)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, OSError) as error:
            raise CameraError(*explain(error, self.shown)) from None

    async def _requested(self) -> bytes:
        async with self._client.stream(
            "GET",
            self._url,
            headers={"Accept": "image/jpeg, multipart/x-mixed-replace, */*;q=0.1", **self._headers},
            auth=self._auth,
            timeout=self._timeout,
            follow_redirects=True,
        ) as answer:
            _check_status(answer, self.shown)
            kind = answer.headers.get("content-type", "").lower()
            if kind.startswith("multipart/"):
                return checked(await self._first_frame(answer), self.shown)
            return checked(await self._body(answer), self.shown, kind)

    async def _ignoring_the_wrapping(self) -> Optional[bytes]:
        """The picture in an answer whose headers no strict client accepts.

        A digest login is not sent in its place as Basic, which would give the password away.
        """
        user, password = ("", "") if self._digest else self._login
        with contextlib.suppress(OSError, ssl.SSLError):
            return await read_picture(
                self._url, user=user, password=password, headers=self._headers, tls=self._tls
            )
        return None

    async def _body(self, answer: httpx.Response) -> bytes:
        """The answer's bytes, up to the end of the first whole JPEG: whatever its length header says."""
        data = bytearray()
        parser = MjpegParser()
        try:
            async for piece in answer.aiter_bytes():
                data += piece
                frames = parser.feed(piece)
                if frames:
                    return frames[0]
                if len(data) > MAX_PICTURE_BYTES:
                    break
                if len(data) > _PAGE_BYTES and not data.startswith(b"\xff\xd8"):
                    break
        except httpx.RemoteProtocolError:
            if not data:
                raise
        return bytes(data)

    async def _first_frame(self, answer: httpx.Response) -> bytes:
        parser = MjpegParser()
        skip = self._stale_frames
        read = 0
        async for piece in answer.aiter_bytes():
            for frame in parser.feed(piece):
                if skip == 0:
                    return frame
                skip -= 1
            read += len(piece)
            if read > _STREAM_BYTES_WITHOUT_FRAME:
                break
        raise CameraError(
            f"{self.shown} is a stream, but no whole JPEG came out of it in {read:,} bytes",
            "set the stream to MJPEG, or use the camera's snapshot address",
        )

    async def close(self) -> None:
        """Close the connections, unless the client is somebody else's."""
        if self._own_client:
            await self._client.aclose()


def _auth(user: str, password: str, digest: bool) -> Optional[httpx.Auth]:
    if not user:
        return None
    return httpx.DigestAuth(user, password) if digest else httpx.BasicAuth(user, password)


def _check_status(answer: httpx.Response, shown: str) -> None:
    status = answer.status_code
    if status == 200:
        return
    if status in (401, 403):
        raise CameraSetupError(
            f"{shown} asks for a login (HTTP {status})",
            "give user and password; some cameras want digest = true",
        )
    if status == 404:
        raise CameraError(
            f"there is no such page at {shown} (HTTP 404)",
            "check the path; the camera's own page usually shows its snapshot address",
        )
    if status in (502, 503, 504):
        raise CameraError(
            f"{shown} is up, but the camera behind it is not (HTTP {status})",
            "check that the camera is plugged in and its streaming service is running",
        )
    raise CameraError(f"{shown} answered HTTP {status}", "open the address in a browser")


def explain(error: BaseException, shown: str) -> tuple[str, str]:
    """What went wrong on the way to `shown`, in plain words, and what to try. For httpx and OS errors."""
    host = urlsplit(shown).hostname or shown
    cause: Optional[BaseException] = error
    chain: list[BaseException] = []
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    text = str(error)
    if any(isinstance(link, socket.gaierror) for link in chain) or "Name or service" in text:
        return (
            f"the name {host} cannot be resolved",
            "check the spelling; try the machine's IP address instead",
        )
    if any(isinstance(link, ssl.SSLError) for link in chain):
        reason = next(str(link) for link in chain if isinstance(link, ssl.SSLError))
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            return (
                f"{host} has an untrusted certificate",
                "give its certificate (certificate = FILE), or verify = false on your own network",
            )
        return f"{host} does not speak TLS there", "try http:// instead of https://, or another port"
    if isinstance(error, httpx.ConnectTimeout):
        return f"{host} does not answer", "check that it is switched on and in the same network"
    if isinstance(error, (httpx.TimeoutException, asyncio.TimeoutError)):
        return (
            f"{shown} started to answer but did not finish in time",
            "the machine may be overloaded; try again",
        )
    if isinstance(error, (httpx.ConnectError, ConnectionRefusedError)):
        if any(getattr(link, "errno", None) in (101, 113) for link in chain):
            return f"{host} cannot be reached from here", "check that both are in the same network"
        return (
            f"nothing listens at {_place(shown)}",
            "check the port, and that the software there is running",
        )
    if isinstance(error, (httpx.RemoteProtocolError, httpx.ReadError)):
        return f"{shown} closed the connection", "try again; if it persists, restart the software there"
    if isinstance(error, httpx.TooManyRedirects):
        return f"{shown} redirects endlessly", "use the final address"
    return f"{shown}: {text or type(error).__name__}", ""


def _place(shown: str) -> str:
    parts = urlsplit(shown)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.hostname}, port {port}"
