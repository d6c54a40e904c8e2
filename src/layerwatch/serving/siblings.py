"""Workers of one server show each other's metrics, so that a scrape of any of them is of all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ANSWER_SECONDS = 2.0
"""A sibling that says nothing for so long is left out: Prometheus waits 10 s at most."""


class Siblings:
    """This worker among its siblings; they meet at sockets in a folder that only their user may enter.

    number: this worker's.  text: its own metrics, in Prometheus' format.
    """

    def __init__(self, folder: Path, number: int, text: Callable[[], bytes]) -> None:
        self._folder = folder
        self._path = folder / f"{number}.sock"
        self._number = number
        self._text = text
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Answer siblings from now on."""
        self._path.unlink(missing_ok=True)  # of the process that had this number before
        self._server = await asyncio.start_unix_server(self._tell, self._path)

    async def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def metrics(self) -> dict[str, bytes]:
        """Everybody's metrics, by number; of those that answer."""
        others = [path for path in sorted(self._folder.glob("*.sock")) if path != self._path]
        texts = await asyncio.gather(*(_ask(path) for path in others))
        told = {path.stem: text for path, text in zip(others, texts, strict=True) if text}
        return {str(self._number): self._text(), **told}

    async def _tell(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(self._text())
            await writer.drain()
        writer.close()


async def _ask(path: Path) -> bytes:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return await reader.read()
            finally:
                writer.close()
    return b""
