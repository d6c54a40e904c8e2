"""A client that costs little beside the server that it calls: Process calls over connections that are kept.

As those of a reverse proxy and of the SDK are: another is opened when all wait for an answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

API = "/api/gadget/v1"
TIMEOUT = 30.0
"""Seconds until a call counts as one that was never answered."""

BOUNDARY = b"layerwatch-benchmark"


@dataclass
class Phase:
    """What one stretch of calls came to: seconds to each answer by its status, and calls without one."""

    seconds: float = 0.0
    taken: dict[int, list[float]] = field(default_factory=dict)
    timeouts: int = 0
    client_seconds: float = 0.0
    """CPU time of this process: what the server could not have."""


class _Connection(asyncio.Protocol):
    """One connection, on which one call at a time is made."""

    def __init__(self, closed: Callable[[_Connection], None]) -> None:
        self._closed = closed
        self._received = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed(self)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed without an answer"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or self._answer is None or self._answer.done():
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) >= int(length):
            self._received = b""
            self._answer.set_result(int(head.split(b" ", 2)[1]))

    async def call(self, head: bytes, body: bytes) -> int:
        """Send a request; the status of its answer. Raises OSError, TimeoutError."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.writelines((head, body))
        async with asyncio.timeout(TIMEOUT):
            return await self._answer


class Caller:
    """Makes Process calls. contexts: one for each. pictures: JPEGs, sent in turn."""

    def __init__(self, url: str, key: str, pictures: Sequence[bytes], contexts: Iterator[str]) -> None:
        self._host, port = url.removeprefix("http://").split(":")
        self._port = int(port)
        self._key = key
        self._contexts = contexts
        self._bodies = [
            b"--%b\r\nContent-Disposition: form-data; name=f; filename=a.jpg\r\n\r\n%b\r\n--%b--\r\n"
            % (BOUNDARY, picture, BOUNDARY)
            for picture in pictures
        ]
        self._sent = 0
        self._idle: list[_Connection] = []

    async def call(self, phase: Phase, planned: float) -> None:
        """One call; its time counts from `planned` on `time.perf_counter`."""
        self._sent += 1
        body = self._bodies[self._sent % len(self._bodies)]
        head = (
            f"POST {API}/process/{next(self._contexts)} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"X-API-Key: {self._key}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY.decode()}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        try:
            connection = self._idle.pop() if self._idle else await self._open()
            status = await connection.call(head.encode(), body)
        except (TimeoutError, OSError):
            phase.timeouts += 1
        else:
            phase.taken.setdefault(status, []).append(time.perf_counter() - planned)
            self._idle.append(connection)

    async def at_once(self, number: int, seconds: float) -> Phase:
        """`number` callers that each wait for their answer."""
        phase, spent = Phase(), time.process_time()
        began = time.perf_counter()

        async def work() -> None:
            while time.perf_counter() - began < seconds:
                await self.call(phase, time.perf_counter())

        await asyncio.gather(*(work() for _ in range(number)))
        phase.seconds = time.perf_counter() - began
        phase.client_seconds = time.process_time() - spent
        return phase

    async def at_rate(self, rate: float, seconds: float) -> Phase:
        """Calls at fixed times, whatever becomes of them."""
        phase, spent = Phase(), time.process_time()
        began = time.perf_counter()
        tasks = []
        for number in range(int(rate * seconds)):
            planned = began + number / rate
            await asyncio.sleep(max(0.0, planned - time.perf_counter()))
            tasks.append(asyncio.create_task(self.call(phase, planned)))
        await asyncio.gather(*tasks)
        phase.seconds = time.perf_counter() - began
        phase.client_seconds = time.process_time() - spent
        return phase

    async def _open(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: _Connection(self._forget), self._host, self._port
        )
        return connection

    def _forget(self, connection: _Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
