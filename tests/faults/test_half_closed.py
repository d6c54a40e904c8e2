"""A client that closes its half: after a whole request it is answered, before that it is dropped."""

from __future__ import annotations

import socket
import uuid

from tests.support.fake_detector import picture
from tests.support.servers import Server

BASE = "/api/gadget/v1"


def request(key: str, context: str, repeat: str) -> tuple[bytes, bytes]:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
        + picture()
        + b"\r\n--B--\r\n"
    )
    head = (
        f"POST {BASE}/process/{context} HTTP/1.1\r\nHost: x\r\n"
        f"X-API-Key: {key}\r\nIdempotency-Key: {repeat}\r\n"
        f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


def send_and_close_half(server: Server, data: bytes) -> bytes:
    """What comes back until the server closes, too."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def test_a_whole_request_is_answered_and_then_the_connection_closed(server: Server) -> None:
    key, account = server.new_key_of()
    head, body = request(key, server.new_context(key), str(uuid.uuid4()))
    assert send_and_close_half(server, head + body).startswith(b"HTTP/1.1 200")
    assert server.billed(account) == 1


def test_half_an_upload_is_dropped_and_its_repeat_is_the_first_one(server: Server) -> None:
    key, account = server.new_key_of()
    context = server.new_context(key)
    head, body = request(key, context, str(uuid.uuid4()))
    for part in (len(body) // 2, 0):
        assert b" 200 " not in send_and_close_half(server, head + body[:part])[:20]
    assert server.billed(account) == 0
    assert send_and_close_half(server, head + body).startswith(b"HTTP/1.1 200")
    assert server.billed(account) == 1


def test_an_idle_connection_that_closes_its_half_is_closed(server: Server) -> None:
    assert send_and_close_half(server, b"") == b""
    assert send_and_close_half(server, b"POST /api") == b""
