"""A TCP proxy that can be cut: while it is, nothing comes through, and neither side is notified.

What was sent meanwhile arrives when it heals, as on a network that drops packets and sends them again.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path


class Wire:
    """Listens on a free port and passes on to `target`: a port of 127.0.0.1, or a Unix socket.

    host: the address to listen on.
    """

    def __init__(self, target: int | Path, host: str = "127.0.0.1") -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._whole = asyncio.Event()
        self._whole.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        opening = asyncio.start_server(self._connect, host, 0)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Nothing comes through from now on."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def heal(self) -> None:
        """Everything comes through again, what was held first."""
        self._loop.call_soon_threadsafe(self._whole.set)

    def close(self) -> None:
        """End every connection and the thread."""

        async def end() -> None:
            self._server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _connect(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        try:
            if isinstance(self._target, Path):
                far, out = await asyncio.open_unix_connection(self._target)
            else:
                far, out = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            back.close()
            return
        await asyncio.gather(self._pass(near, out), self._pass(far, back))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await source.read(65536):
                await self._whole.wait()
                sink.write(chunk)
                await sink.drain()
        await self._whole.wait()
        sink.close()
