"""Web servers of other people for tests: well behaved, endless, slow."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Behaviour = Callable[[socket.socket], None]
"""What a receiver does with a connection after it has read the request."""


class Receiver:
    """A server on this machine that treats every connection in the same way."""

    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/hook"
        self.calls = 0
        self.called = threading.Event()
        self.stopped = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.calls += 1
            self.called.set()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            _read_request(connection)
            self._behave(connection)

    def close(self) -> None:
        """End it, and whatever it is sending."""
        self.stopped.set()
        self._listener.close()


def _read_request(connection: socket.socket) -> None:
    """Read a request whole: a connection that is closed with bytes unread is reset."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65536)
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    left = int(lengths[0]) - len(body)
    while left > 0:
        left -= len(connection.recv(65536))


@contextmanager
def receiving(behave: Behaviour) -> Iterator[Receiver]:
    """A receiver for the length of the block."""
    receiver = Receiver(behave)
    try:
        yield receiver
    finally:
        receiver.close()


def accept(connection: socket.socket) -> None:
    """Take the event."""
    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def say_nothing(connection: socket.socket) -> None:
    """Hold the connection until the other side closes it."""
    while connection.recv(65536):
        pass


def drip(connection: socket.socket) -> None:
    """One byte of an answer's head after another, for as long as anybody listens."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"a")
        time.sleep(0.05)


class Flood:
    """An answer without end. sent: bytes that went out, most of them into the kernel's buffers."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self.sent = 0

    def __call__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        connection.sendall(self._head)
        while True:
            self.sent += connection.send(b"a" * 65536)
