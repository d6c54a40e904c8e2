"""A provider that answers without end, slowly or compressed is given up: nobody signs in, no memory fills."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import pytest

from layerwatch.core import outgoing
from layerwatch.identity import SignInRefused
from layerwatch.identity.oidc import bounded_transport
from layerwatch.identity.oidc.flow import Flow
from layerwatch.identity.oidc.provider import OpenIdProvider

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def provider(answer: Callable[[socket.socket], object]) -> Iterator[OpenIdProvider]:
    """One whose server reads a request and lets `answer` write on the connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield OpenIdProvider(issuer, "client", "secret", name="", back="http://127.0.0.1/back")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def refused(one: OpenIdProvider) -> None:
    with pytest.raises(SignInRefused):
        one.address(Flow.begin(datetime.now(UTC)), b"k" * 32)


def test_an_endless_document_is_read_up_to_the_limit() -> None:
    sent: list[int] = []

    def endless(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n")
        while True:
            sent.append(connection.send(b" " * 65536))

    with provider(endless) as one:
        refused(one)
    # What the sockets of both sides hold is sent, too.
    assert sum(sent) < bounded_transport.MAX_ANSWER_BYTES + 16 * 2**20


@pytest.mark.parametrize("start", [HEAD + b"X-Slow: ", HEAD + b"\r\n{"], ids=["head", "body"])
def test_a_document_that_comes_byte_by_byte_is_given_up(
    start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "DEADLINE_S", 0.5)
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        while not stop.wait(0.05):
            connection.sendall(b" ")

    with provider(drip) as one:
        refused(one)
        stop.set()


def test_a_compressed_document_is_not_unpacked() -> None:
    body = gzip.compress(json.dumps({"issuer": " " * 50_000_000}).encode())
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert len(body) < bounded_transport.MAX_ANSWER_BYTES
    with provider(lambda connection: connection.sendall(head + body)) as one:
        refused(one)
