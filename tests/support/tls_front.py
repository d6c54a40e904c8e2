"""A TLS front before a server, as a reverse proxy is, with certificates of an own authority."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

import trustme


class TlsFront:
    """Accepts TLS for some host names on a free port of 127.0.0.1 and passes the bytes on to `port`.

    port: of the server behind it; may change while it runs. None: connections are closed at once.
    """

    def __init__(self, authority: trustme.CA, *names: str) -> None:
        self.port: int | None = None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        self._listener = context.wrap_socket(
            socket.create_server(("127.0.0.1", 0)), server_side=True, do_handshake_on_connect=False
        )
        self.address: tuple[str, int] = self._listener.getsockname()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def lose(self) -> None:
        """Kill what is behind it: every connection breaks, and new ones get no answer."""
        self.port = None
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.lose()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: ssl.SSLSocket) -> None:
        with contextlib.suppress(OSError), client:
            client.do_handshake()
            if self.port is None:
                return
            with socket.create_connection(("127.0.0.1", self.port)) as server:
                self._open |= {client, server}
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join()
                self._open -= {client, server}


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def tls_front(authority: trustme.CA, *names: str) -> Iterator[TlsFront]:
    """A front that is closed at the end of the block."""
    front = TlsFront(authority, *names)
    try:
        yield front
    finally:
        front.close()
