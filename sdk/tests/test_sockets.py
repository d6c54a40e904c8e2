"""Over a real server on real sockets: nothing is left open, and a call can be ended while it waits."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Callable, Iterator, List

import pytest

from layerwatch_sdk import (
    AnswerTimeout,
    AsyncClient,
    Cancellation,
    Client,
    ClientClosed,
    ConnectionFailed,
    InspectionSession,
    InvalidResponse,
    NoAnswer,
    Retry,
    Timeouts,
)
from layerwatch_sdk.testing import JPEG, KEY, FakeService, ManualClock, picture

ONCE = Retry(attempts=1)


def soon(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within a second: the server's side of a connection closes a moment later."""
    deadline = time.monotonic() + 1
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


class Mute:
    """A server that takes connections and says nothing, or only what it is given."""

    def __init__(self, says: bytes = b"", forever: bytes = b"") -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.asked = threading.Event()
        self._says, self._forever = says, forever
        self._open: List[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
                self._open.append(connection)
                connection.recv(65536)
                connection.sendall(self._says)
                self.asked.set()
                while self._forever:
                    connection.sendall(self._forever)
                    time.sleep(0.01)
            except OSError:
                if self._listening.fileno() < 0:
                    return

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open:
            connection.close()
        self._thread.join()


@pytest.fixture
def mute() -> Iterator[Mute]:
    server = Mute()
    yield server
    server.close()


def test_no_thread_and_no_socket_is_left_after_many_calls(open_files: Callable[[], int]) -> None:
    clock = ManualClock()
    service = FakeService(clock.monotonic)
    threads = threading.active_count()
    with service.serve() as url, Client(KEY, url, clock=clock) as client:
        files = open_files()
        context = client.create_context()
        for number in range(300):
            client.process(context, picture(number))
            clock.now += 20
        assert soon(lambda: open_files() <= files), "a connection was kept between calls"
    assert len(service.billed) == 300
    assert soon(lambda: threading.active_count() <= threads), "a thread was left"


def test_the_asynchronous_client_closes_its_sockets(open_files: Callable[[], int]) -> None:
    service = FakeService(time.monotonic)

    async def calls(url: str) -> None:
        async with AsyncClient(KEY, url) as client:
            contexts = await asyncio.gather(*[client.create_context() for _ in range(20)])
            await asyncio.gather(*[client.process(context, JPEG) for context in contexts])

    with service.serve() as url:
        files = open_files()
        asyncio.run(calls(url))
        assert len(service.billed) == 20
        assert soon(lambda: open_files() <= files)


def test_stopping_a_session_ends_the_call_it_waits_for(mute: Mute) -> None:
    with Client(KEY, mute.url) as client:
        session = InspectionSession(client, lambda: JPEG)
        session.start()
        assert mute.asked.wait(5)
        started = time.monotonic()
        assert session.stop()
        assert time.monotonic() - started < 2  # not the 30 s of the timeout
        assert session.state == "stopped"


def when_asked(mute: Mute, act: Callable[[], None]) -> None:
    assert mute.asked.wait(5)
    act()


def test_another_thread_can_cancel_a_call(mute: Mute) -> None:
    cancellation = Cancellation()
    timer = threading.Thread(target=when_asked, args=(mute, cancellation.cancel))
    timer.start()
    with Client(KEY, mute.url) as client, pytest.raises(ClientClosed, match="cancelled"):
        client.create_context(cancellation=cancellation)
    timer.join()


def test_closing_the_client_ends_its_calls(mute: Mute) -> None:
    client = Client(KEY, mute.url)
    closer = threading.Thread(target=when_asked, args=(mute, client.close))
    closer.start()
    with pytest.raises(ClientClosed):
        client.create_context()
    closer.join()
    with pytest.raises(ClientClosed):
        client.create_context()


def test_cancelling_a_task_ends_its_call(mute: Mute) -> None:
    async def call() -> None:
        async with AsyncClient(KEY, mute.url) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.create_context(), 0.1)

    started = time.monotonic()
    asyncio.run(call())
    assert time.monotonic() - started < 2


def test_a_silent_server_is_a_timeout(mute: Mute) -> None:
    with (
        Client(KEY, mute.url, retry=ONCE, timeouts=Timeouts(read=0.05)) as client,
        pytest.raises(AnswerTimeout),
    ):
        client.create_context()


def test_a_trickling_server_is_a_timeout_too() -> None:
    server = Mute(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", forever=b" ")
    client = Client(KEY, server.url, retry=ONCE, timeouts=Timeouts(total=0.1))
    with client, pytest.raises(AnswerTimeout, match="too slowly"):
        client.create_context()
    server.close()


def test_an_endless_answer_is_cut_off() -> None:
    server = Mute(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        forever=b"8000\r\n" + bytes(0x8000) + b"\r\n",
    )
    with Client(KEY, server.url, retry=ONCE) as client, pytest.raises(InvalidResponse):
        client.create_context()
    server.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
        b"\x00" * 1000,
    ],
    ids=["nothing", "half", "no http", "negative length", "bad gzip", "odd status", "zeros"],
)
def test_broken_http_is_no_answer(answer: bytes) -> None:
    service = FakeService(time.monotonic)

    def before(handler: BaseHTTPRequestHandler) -> bool:
        handler.wfile.write(answer)
        handler.close_connection = True
        return True

    with service.serve(before) as url, Client(KEY, url, retry=ONCE) as client, pytest.raises(NoAnswer):
        client.create_context()


def test_no_server_is_a_failed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Client(KEY, f"http://127.0.0.1:{port}", retry=ONCE) as client, pytest.raises(ConnectionFailed):
        client.create_context()
