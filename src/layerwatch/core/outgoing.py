"""One bounded HTTP request to an address that somebody else wrote down."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore

from layerwatch.core.egress import AddressNotPublic, CheckedBackend, Reachable

DEADLINE_S = 10.0
"""Seconds for all of it: the name, the connection, the request and the answer."""

MAX_ANSWER_BYTES = 64 * 1024
"""Of an answer with its head, as read from the connection."""


class RequestFailed(Exception):
    """No answer was received; the message says why, and may be shown."""


Headers = Mapping[bytes | str, bytes | str]


@dataclass(frozen=True, slots=True)
class FetchedAnswer:
    """An answer as it came: headers in lower case, the body not decoded."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


async def post(url: str, headers: Headers, body: bytes, reachable: Reachable) -> int:
    """POST `body` and return the answer's status. Redirects are not followed, cookies are not kept.

    The answer's body is read up to `MAX_ANSWER_BYTES` and the deadline, and dropped. Raises RequestFailed.
    """
    status: int | None = None
    try:
        async with _answer("POST", url, headers, body, reachable, MAX_ANSWER_BYTES) as answer:
            status = answer.status
            async for _ in answer.aiter_stream():
                pass
    except RequestFailed:
        if status is None:
            raise
    return status


async def fetch(
    method: str, url: str, headers: Headers, body: bytes, reachable: Reachable, max_bytes: int
) -> FetchedAnswer:
    """Send one request and return the whole answer. Redirects are not followed, cookies are not kept.

    Raises RequestFailed when the answer, with its head, is longer than `max_bytes` or not complete within
    `DEADLINE_S`.
    """
    async with _answer(method, url, headers, body, reachable, max_bytes) as answer:
        return FetchedAnswer(answer.status, answer.headers, await answer.aread())


@asynccontextmanager
async def _answer(
    method: str, url: str, headers: Headers, body: bytes, reachable: Reachable, max_bytes: int
) -> AsyncIterator[httpcore.Response]:
    """An answer whose head was read. What fails in the block, too, raises RequestFailed."""
    try:
        async with (
            asyncio.timeout(DEADLINE_S),
            httpcore.AsyncConnectionPool(
                ssl_context=_tls() if url.lower().startswith("https:") else None,
                network_backend=_BoundedBackend(reachable, max_bytes),
            ) as pool,
            pool.stream(method, url, headers=headers, content=body) as answer,
        ):
            yield answer
    except AddressNotPublic as error:
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
        raise RequestFailed(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {DEADLINE_S:g} s"
    if isinstance(error, _TooLong):
        return str(error)
    return f"no connection ({type(error).__name__})"


@cache
def _tls() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


class _TooLong(httpcore.ReadError):
    """The answer is longer than allowed."""


class _BoundedBackend(CheckedBackend):
    """A checked backend whose streams end after `max_bytes`."""

    def __init__(self, reachable: Reachable, max_bytes: int) -> None:
        super().__init__(reachable)
        self._max_bytes = max_bytes

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        return _BoundedStream(await super().connect_tcp(*args, **kwargs), self._max_bytes)


class _BoundedStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = self._left = max_bytes

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._left <= 0:
            raise _TooLong(f"the answer is longer than {self._max_bytes:,} bytes")
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
        return _BoundedStream(
            await self._stream.start_tls(ssl_context, server_hostname, timeout), self._max_bytes
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
