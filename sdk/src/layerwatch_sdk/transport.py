"""Carrying a `Request` out with httpx, synchronously or not, and telling its failures in our own words.

httpx is imported when the first client is made, not with the package: on a small computer it is most of what
importing would cost.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Union
from urllib.parse import urlsplit

from layerwatch_sdk.errors import AnswerTimeout, ClientClosed, ConnectionFailed, InvalidResponse, NoAnswer
from layerwatch_sdk.settings import Timeouts
from layerwatch_sdk.wire import MAX_ANSWER_BYTES, Reply, Request

if TYPE_CHECKING:
    import ssl

    import httpx

Verify = Union[bool, "ssl.SSLContext"]


class Cancellation:
    """Lets one thread end another's call at once, also while that waits for the service's answer.

    Good for many calls, one after the other; once cancelled, it ends every later one too.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self._lock = threading.Lock()
        self._socket: Optional[socket.socket] = None

    def cancel(self) -> None:
        """End the call that is under way, and refuse later ones."""
        self.event.set()
        with self._lock:
            self._end_socket()

    def check(self) -> None:
        """Raise ClientClosed if cancelled."""
        if self.event.is_set():
            raise ClientClosed("the call was cancelled")

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """httpx's trace hook: learns which socket the call uses."""
        if name.endswith(("connect_tcp.complete", "start_tls.complete")):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self.event.is_set():
                    self._end_socket()

    def done(self) -> None:
        """The call is over; its socket is no longer ours to end."""
        with self._lock:
            self._socket = None

    def _end_socket(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # already closed
                self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that is blocked on it


class Http:
    """httpx.Client for plans."""

    def __init__(self, timeouts: Timeouts, transport: Optional[httpx.BaseTransport], verify: Verify) -> None:
        import httpx

        # No connection is kept: pictures are 20 s apart, longer than servers keep one, and a kept one that
        # the other side has closed costs a failed try. It also lets `Cancellation` know each call's socket.
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        self._timeouts = timeouts
        self._client = httpx.Client(
            transport=transport, verify=verify, timeout=_timeout(timeouts), limits=limits
        )

    def send(self, request: Request, cancellation: Cancellation) -> Reply:
        """Send, and read the whole answer. Raises NoAnswer, or ClientClosed when cancelled."""
        cancellation.check()
        extensions = {"trace": cancellation.trace}
        if self._client.is_closed:
            raise ClientClosed("the client is closed")
        try:
            with self._client.stream(
                request.method, request.url, extensions=extensions, **_content(request)
            ) as response:
                body, deadline = b"", time.monotonic() + self._timeouts.total
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) >= MAX_ANSWER_BYTES:
                        break
                    if time.monotonic() > deadline:
                        raise AnswerTimeout("the answer arrived too slowly")
                return Reply(response.status_code, _headers(response), body)
        except (NoAnswer, ClientClosed):
            raise
        except Exception as error:
            cancellation.check()
            if self._client.is_closed:
                raise ClientClosed("the client was closed during the call") from error
            known = classified(error, request.url)
            if known is None:
                raise
            raise known from error
        finally:
            cancellation.done()

    def close(self) -> None:
        self._client.close()


class AsyncHttp:
    """httpx.AsyncClient for plans."""

    def __init__(
        self, timeouts: Timeouts, transport: Optional[httpx.AsyncBaseTransport], verify: Verify
    ) -> None:
        import httpx

        self._timeouts = timeouts
        self._client = httpx.AsyncClient(transport=transport, verify=verify, timeout=_timeout(timeouts))

    async def send(self, request: Request) -> Reply:
        """Send, and read the whole answer. Raises NoAnswer, or ClientClosed."""
        if self._client.is_closed:
            raise ClientClosed("the client is closed")
        try:
            async with self._client.stream(request.method, request.url, **_content(request)) as response:
                body, deadline = b"", time.monotonic() + self._timeouts.total
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) >= MAX_ANSWER_BYTES:
                        break
                    if time.monotonic() > deadline:
                        raise AnswerTimeout("the answer arrived too slowly")
                return Reply(response.status_code, _headers(response), body)
        except (NoAnswer, ClientClosed):
            raise
        except Exception as error:
            if self._client.is_closed:
                raise ClientClosed("the client was closed during the call") from error
            known = classified(error, request.url)
            if known is None:
                raise
            raise known from error

    async def close(self) -> None:
        await self._client.aclose()


def classified(error: Exception, url: str) -> Optional[NoAnswer]:
    """A transport's failure in this package's words, or None if it is no such thing."""
    import httpx

    words = " ".join(str(error).split())[:200] or type(error).__name__
    # The host is named because it is not always the one the user gave: a context has URLs of its own.
    host = urlsplit(url).netloc
    if isinstance(error, httpx.ConnectTimeout):
        return ConnectionFailed(f"{host} was not reached in time")
    if isinstance(error, httpx.TimeoutException):
        return AnswerTimeout(f"{host} did not answer in time")
    if isinstance(error, httpx.DecodingError):
        return InvalidResponse(f"the compression of the answer from {host} is broken: {words}")
    if isinstance(error, (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError)):
        return ConnectionFailed(f"{host} was not reached, or the connection broke: {words}")
    return None


def _timeout(timeouts: Timeouts) -> httpx.Timeout:
    import httpx

    return httpx.Timeout(timeouts.read, connect=timeouts.connect)


def _content(request: Request) -> Dict[str, Any]:
    if request.picture is None:
        return {"headers": request.headers, "json": request.json_body}
    files = {"image": ("frame.jpg", request.picture, "image/jpeg")}
    return {"headers": request.headers, "files": files, "data": dict(request.fields)}


def _headers(response: httpx.Response) -> Dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
