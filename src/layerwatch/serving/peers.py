"""Workers of one server exchange their metrics and newest pictures: any of them answers for all."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from layerwatch.learning.recent import RecentPicture

ANSWER_SECONDS = 2.0
"""A worker that has not answered by then is left out: Prometheus waits 10 s at most."""

_METRICS, _PICTURES = b"metrics", b"pictures "
_SIZE = struct.Struct(">I")


class WorkerPeers:
    """This worker among its peers, over Unix sockets in a folder that only their user may enter.

    number: this worker's.  text: its own metrics, in Prometheus' format.  pictures: its own of a context.
    """

    def __init__(
        self,
        folder: Path,
        number: int,
        text: Callable[[], bytes],
        pictures: Callable[[str], Sequence[RecentPicture]],
    ) -> None:
        self._folder = folder
        self._path = folder / f"{number}.sock"
        self._number = number
        self._text = text
        self._own_pictures = pictures
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Start answering the other workers."""
        self._path.unlink(missing_ok=True)  # of the process that had this number before
        self._server = await asyncio.start_unix_server(self._answer, self._path)

    async def close(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def metrics(self) -> dict[str, bytes]:
        """The metrics of every worker that answers, by number."""
        others = list(self._others())
        texts = await asyncio.gather(*(asyncio.to_thread(_ask, path, _METRICS) for path in others))
        answers = {path.stem: text for path, text in zip(others, texts, strict=True) if text}
        return {str(self._number): self._text(), **answers}

    def pictures(self, context_id: str) -> list[RecentPicture]:
        """What the others hold of a context. Waits for them: not for an event loop."""
        answers = (_ask(path, _PICTURES + context_id.encode()) for path in self._others())
        return [RecentPicture.from_bytes(one) for answer in answers for one in _unpack(answer)]

    def _others(self) -> Iterator[Path]:
        return (path for path in sorted(self._folder.glob("*.sock")) if path != self._path)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            asked = (await reader.readline()).strip()
            if asked == _METRICS:
                writer.write(self._text())
            elif asked.startswith(_PICTURES):
                for one in self._own_pictures(asked.removeprefix(_PICTURES).decode()):
                    data = one.to_bytes()
                    writer.write(_SIZE.pack(len(data)) + data)
            await writer.drain()
        writer.close()


def _ask(path: Path, question: bytes) -> bytes:
    """A worker's answer; empty if there is none."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(str(path))
        connection.sendall(question + b"\n")
        answer = b""
        while piece := connection.recv(1 << 16):
            answer += piece
        return answer
    return b""


def _unpack(answer: bytes) -> Iterator[bytes]:
    """The pictures in an answer; one that was cut off is left out."""
    while len(answer) >= _SIZE.size:
        end = _SIZE.size + _SIZE.unpack_from(answer)[0]
        if end > len(answer):
            return
        yield answer[_SIZE.size : end]
        answer = answer[end:]
