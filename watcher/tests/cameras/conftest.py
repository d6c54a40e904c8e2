"""A camera to test against: real sockets, and the misbehaviour of cameras in the field."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Optional

import pytest
from PIL import Image

Answer = Callable[[str, dict[str, str], asyncio.StreamWriter], Awaitable[None]]


def make_jpeg(shade: int = 90, size: tuple[int, int] = (64, 48), *, thumbnail: bool = False) -> bytes:
    """A small real JPEG; with `thumbnail`, another whole JPEG stands inside its EXIF segment."""
    out = io.BytesIO()
    picture = Image.effect_noise(size, 60).point(lambda value: (value + shade) % 256).convert("RGB")
    picture.save(out, "JPEG", quality=80)
    data = out.getvalue()
    if not thumbnail:
        return data
    inner = b"Exif\0\0" + make_jpeg(shade, (16, 12))
    return data[:2] + b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner + data[2:]


class CameraServer:
    """Serves one connection at a time by the function in `answer`."""

    def __init__(self) -> None:
        self.answer: Optional[Answer] = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def respond(self, body: bytes, kind: str = "image/jpeg", status: str = "200 OK", extra: str = "") -> None:
        async def answer(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
            head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
            writer.write(head.encode() + body)

        self.answer = answer

    def stream(self, *pieces: bytes, kind: str = "multipart/x-mixed-replace; boundary=frame") -> None:
        """Send the pieces with a small gap between them, then go on holding the connection."""

        async def answer(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
            writer.write(f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.005)
            await asyncio.sleep(30)

        self.answer = answer

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
            path = head[0].split(" ")[1]
            self.requests.append((path, headers))
            assert self.answer is not None
            await self.answer(path, headers, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[CameraServer]:
    made = CameraServer()
    listening = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    tasks_before = asyncio.all_tasks()
    yield made
    listening.close()
    for task in asyncio.all_tasks() - tasks_before - {asyncio.current_task()}:
        task.cancel()


@pytest.fixture
def jpeg() -> Callable[..., bytes]:
    return make_jpeg
