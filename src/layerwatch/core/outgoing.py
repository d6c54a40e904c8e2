"""One bounded HTTP request to an address that somebody else wrote down."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpcore

from layerwatch.core.egress import CheckedBackend, NotAllowed, Reachable

DEADLINE_S = 10.0
"""Seconds for all of it: the name, the connection, the request and the answer."""

MAX_ANSWER_BYTES = 64 * 1024
"""Of an answer with its head, as read from the connection."""


class RequestFailed(Exception):
    """No answer was received; the message says why, and may be shown."""


Headers = Mapping[bytes | str, bytes | str]


async def post(url: str, headers: Headers, body: bytes, reachable: Reachable) -> int:
    """POST `body` and return the answer's status. Redirects are not followed, cookies are not kept.

    The answer's body is read up to `MAX_ANSWER_BYTES` and the deadline, and dropped. Raises RequestFailed.
    """
    status: int | None = None
    try:
        async with (
            asyncio.timeout(DEADLINE_S),
            httpcore.AsyncConnectionPool(
                ssl_context=_tls() if url.lower().startswith("https:") else None,
                network_backend=_BoundedBackend(reachable),
            ) as pool,
            pool.stream("POST", url, headers=headers, content=body) as answer,
        ):
            status = answer.status
            async for _ in answer.aiter_stream():
                pass
    except NotAllowed as error:
        raise RequestFailed("the address is not public") from error
    except (
        TimeoutError,
        httpcore.NetworkError,
        httpcore.TimeoutException,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
        ssl.SSLError,
        OSError,
        ValueError,
    ) as error:
        if status is None:
            raise RequestFailed(_reason(error)) from error
    assert status is not None
    return status


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {DEADLINE_S:g} s"
    if isinstance(error, _TooLong):
        return f"the answer's head is longer than {MAX_ANSWER_BYTES:,} bytes"
    return f"no connection ({type(error).__name__})"


@cache
def _tls() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


class _TooLong(httpcore.ReadError):
    """More than `MAX_ANSWER_BYTES` came."""


class _BoundedBackend(CheckedBackend):
    """A checked backend whose streams end after `MAX_ANSWER_BYTES`."""

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        return _BoundedStream(await super().connect_tcp(*args, **kwargs))


class _BoundedStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = MAX_ANSWER_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._left <= 0:
            raise _TooLong("the answer is too long")
        data = await self._stream.read(min(max_bytes, self._left), timeout)
        self._left -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        return _BoundedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
