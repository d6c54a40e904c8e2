"""Bad transport: silence, floods, half-closed sockets. The server answers or drops, and lives on."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import psutil
import pytest

from tests.contract.conftest import Service
from tests.contract.jpegs import WHOLE


def dial(service: Service) -> socket.socket:
    parts = urlsplit(service.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=15)


def head(service: Service, context: str, length: int | None, *more: str) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [
        f"POST /api/gadget/v1/process/{context} HTTP/1.1",
        "Host: x",
        f"X-API-Key: {service.key}",
        "Content-Type: multipart/form-data; boundary=B",
        size,
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


PART = b'--B\r\nContent-Disposition: form-data; name="f"; filename="f.jpg"\r\n\r\n'


def read_all(connection: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionError, TimeoutError):
        while chunk := connection.recv(65536):
            received += chunk
            if b"\r\n\r\n" in received and received.rstrip().endswith(b"}"):
                break
    return received


def test_half_a_body_then_silence_is_dropped_and_not_billed(service: Service) -> None:
    context = service.open()
    with dial(service) as connection:
        connection.sendall(head(service, context, 50_000) + PART + WHOLE[:500])
        began = time.monotonic()
        answer = read_all(connection)
        assert time.monotonic() - began < 10
    assert b" 200 " not in answer.split(b"\r\n")[0] + b" "
    service.nothing_happened(context)


def test_a_connection_cut_in_mid_upload_harms_nothing(service: Service) -> None:
    context = service.open()
    for _ in range(20):
        with dial(service) as connection:
            connection.sendall(head(service, context, 50_000) + PART + WHOLE[:700])
    service.nothing_happened(context)


def test_a_two_gigabyte_upload_is_refused_before_it_is_read(service: Service) -> None:
    context = service.open()
    with dial(service) as connection:
        connection.sendall(head(service, context, 2 * 2**30) + PART + bytes(65536))
        answer = read_all(connection)
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"OE_BAD_ARGS" in answer
    service.nothing_happened(context)


@pytest.mark.parametrize("chunked", [True, False])
def test_an_endless_upload_costs_no_more_memory_than_a_small_one(service: Service, chunked: bool) -> None:
    """Chunked, so that nothing in the head says how much will come; stopped by the server, or at 2 GiB."""
    context = service.open()
    process = psutil.Process()
    before = process.memory_info().rss
    peak = before
    sent = 0
    block = bytes(256 * 1024)
    with dial(service) as connection:
        answers: list[bytes] = []
        reader = threading.Thread(target=lambda: answers.append(read_all(connection)))
        reader.start()
        with suppress(ConnectionError, TimeoutError):
            if chunked:
                connection.sendall(head(service, context, None))
                connection.sendall(b"%x\r\n" % len(PART) + PART + b"\r\n")
            else:
                connection.sendall(head(service, context, 6_400_000) + PART)
            while sent < 2 * 2**30 and reader.is_alive():
                connection.sendall(b"%x\r\n" % len(block) + block + b"\r\n" if chunked else block)
                sent += len(block)
                peak = max(peak, process.memory_info().rss)
        reader.join(20)
    assert answers and b" 413 " in answers[0].split(b"\r\n")[0]
    # client, server and test live in this one process; what counts is that memory does not follow `sent`
    assert peak - before < 40 * 2**20
    service.nothing_happened(context)


def test_many_silent_connections_do_not_stop_the_service(service: Service) -> None:
    silent = [dial(service) for _ in range(100)]
    try:
        for connection in silent[:50]:
            connection.sendall(b"POST /api/gadget/v1/createcontext HTTP/1.1\r\nHost: x\r\n")
        context = service.open()
        assert service.process(context, WHOLE).status_code == 200
    finally:
        for connection in silent:
            connection.close()


def test_garbage_instead_of_http_is_refused(service: Service) -> None:
    with dial(service) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10 + b"\r\n\r\n")
        read_all(connection)
    assert service.process(service.open(), WHOLE).status_code == 200
