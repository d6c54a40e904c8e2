"""HTTP byte by byte, for what no client library would send."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from h11 import CLIENT, NEED_DATA, PAUSED, Connection, ConnectionClosed, Data, EndOfMessage, Request, Response


@dataclass
class Answer:
    """One answer. headers: names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """The contract's ErrorType; empty if the body is not its error object."""
        with suppress(ValueError):
            found: Any = json.loads(self.body)
            if isinstance(found, dict) and found.keys() == {"ErrorType", "ErrorDetails"}:
                return str(found["ErrorType"])
        return ""


def dial(port: int, timeout: float = 10) -> socket.socket:
    """A connection to a port of 127.0.0.1."""
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def answers(connection: socket.socket, number: int) -> list[Answer]:
    """The next answers on a connection, at most `number`; fewer if it closes."""
    found: list[Answer] = []
    received = b""
    while len(found) < number:
        parser = Connection(CLIENT)
        parser.send(Request(method="GET", target="/", headers=[("Host", "x")]))
        parser.send(EndOfMessage())
        if received:
            parser.receive_data(received)
        status, headers, body = 0, {}, b""
        while True:
            event = parser.next_event()
            if event is NEED_DATA:
                data = b""
                with suppress(ConnectionError):
                    data = connection.recv(65536)
                if not data:
                    return found
                parser.receive_data(data)
            elif isinstance(event, Response):
                status = event.status_code
                headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, Data):
                body += bytes(event.data)
            elif isinstance(event, EndOfMessage) or event is PAUSED or isinstance(event, ConnectionClosed):
                break
        found.append(Answer(status, headers, body))
        received = parser.trailing_data[0]
    return found


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection on which nothing more was to come."""
    with suppress(ConnectionError):
        return connection.recv(1) == b""
    return True
