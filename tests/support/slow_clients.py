"""Thousands of clients that hold connections and hardly send anything, in a process of their own.

python -m tests.support.slow_clients PORT KEY CONTEXT NUMBER   NUMBER of each kind, until SIGTERM
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import httpx

from tests.support.hostile_requests import BASE
from tests.support.nodes import ROOT, Node

Kind = Literal["form", "upload", "idle"]
KINDS: tuple[Kind, ...] = ("form", "upload", "idle")

BYTE_EVERY_S = 10.0
AGAIN_AFTER_S = 20.0
"""At most, until a connection that the server closed is opened again."""

AT_ONCE = 100
"""Connections being opened at the same time."""


@contextmanager
def slow_clients(node: Node, number: int) -> Iterator[None]:
    """So many slow forms, as many slow uploads and as many idle connections, once all were opened."""
    key = node.new_account("slow").key
    answer = httpx.post(f"{node.url}{BASE}/createcontext", headers={"X-API-Key": key}, trust_env=False)
    arguments = [str(node.port), key, answer.json()["ContextId"], str(number)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.slow_clients", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "all opened\n"
        yield
    finally:
        process.terminate()
        process.wait(60)


class _SlowClients:
    def __init__(self, port: int, key: str, context: str) -> None:
        self._port = port
        self._opening = asyncio.Semaphore(AT_ONCE)
        head = f"POST %s HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Length: 5000\r\n"
        form = "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        upload = "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        self._heads = {
            "form": (head % "/console/sign-in" + form).encode(),
            "upload": (head % f"{BASE}/process/{context}" + upload).encode(),
            "idle": b"",
        }

    async def hold(self, number: int) -> None:
        opened = [asyncio.Event() for _ in range(number * len(KINDS))]
        holding = [
            asyncio.create_task(self._hold(KINDS[index % len(KINDS)], event))
            for index, event in enumerate(opened)
        ]
        for event in opened:
            await event.wait()
        print("all opened", flush=True)
        await asyncio.gather(*holding)

    async def _hold(self, kind: Kind, opened: asyncio.Event) -> None:
        while True:
            with suppress(OSError):
                async with self._opening:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                opened.set()
                try:
                    await self._drip(kind, reader, writer)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(random.uniform(0.0, AGAIN_AFTER_S))

    async def _drip(self, kind: Kind, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._heads[kind])
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(BYTE_EVERY_S):
                    await reader.read()
                    return
            if kind != "idle":
                writer.write(b"x")


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    port, key, context, number = sys.argv[1:]
    asyncio.run(_SlowClients(int(port), key, context).hold(int(number)))


if __name__ == "__main__":
    main()
