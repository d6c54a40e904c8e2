"""A small MQTT 3.1.1 broker: logins, QoS 0 and 1, retained messages, last wills. TLS if given."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Optional

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 10, 11, 12, 13, 14

Heard = Callable[[str, bytes], Awaitable[None]]


@dataclass
class _Client:
    writer: asyncio.StreamWriter
    topics: list[str] = field(default_factory=list)
    will: Optional[tuple[str, bytes, bool]] = None


class Broker:
    """Passes messages on, and hands every one that clients publish to `heard`."""

    def __init__(self, user: str, password: str, heard: Optional[Heard] = None) -> None:
        self.user, self.password = user, password
        self.heard = heard
        self.retained: dict[str, bytes] = {}
        self.messages: list[tuple[str, bytes]] = []
        self.port = 0
        self._clients: list[_Client] = []

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send to all subscribers."""
        if retain:
            self.retained[topic] = payload
        for client in self._clients:
            if any(_matches(pattern, topic) for pattern in client.topics):
                _send(client.writer, PUBLISH << 4, _text(topic) + payload)

    def drop_all(self) -> None:
        """Break every connection, as a printer that restarts does."""
        for client in self._clients:
            client.writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(writer)
        try:
            kind, body = await _packet(reader)
            if kind >> 4 != CONNECT or not self._login(client, body):
                _send(writer, CONNACK << 4, b"\x00\x05")  # not authorised
                return
            _send(writer, CONNACK << 4, b"\x00\x00")
            self._clients.append(client)
            while True:
                kind, body = await _packet(reader)
                if kind >> 4 == DISCONNECT:
                    client.will = None
                    return
                await self._handle(client, kind, body)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            if client in self._clients:
                self._clients.remove(client)
            if client.will is not None:
                topic, payload, retain = client.will
                await self.publish(topic, payload, retain=retain)
            writer.close()

    def _login(self, client: _Client, body: bytes) -> bool:
        flags = body[7]
        at = 10
        fields = []
        expected = 1 + (2 if flags & 0x04 else 0) + bool(flags & 0x80) + bool(flags & 0x40)
        for _ in range(expected):
            size = int.from_bytes(body[at : at + 2], "big")
            fields.append(body[at + 2 : at + 2 + size])
            at += 2 + size
        if flags & 0x04:
            client.will = (fields[1].decode(), fields[2], bool(flags & 0x20))
        return fields[-2:] == [self.user.encode(), self.password.encode()]

    async def _handle(self, client: _Client, kind: int, body: bytes) -> None:
        if kind >> 4 == PUBLISH:
            size = int.from_bytes(body[:2], "big")
            topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
            if kind & 0x06:
                _send(client.writer, PUBACK << 4, rest[:2])
                rest = rest[2:]
            self.messages.append((topic, rest))
            await self.publish(topic, rest, retain=bool(kind & 0x01))
            if self.heard is not None:
                await self.heard(topic, rest)
        elif kind >> 4 == SUBSCRIBE:
            at, granted = 2, b""
            fresh = []
            while at < len(body):
                size = int.from_bytes(body[at : at + 2], "big")
                fresh.append(body[at + 2 : at + 2 + size].decode())
                granted += b"\x00"
                at += 3 + size
            client.topics += fresh
            _send(client.writer, SUBACK << 4, body[:2] + granted)
            for topic, payload in self.retained.items():
                if any(_matches(pattern, topic) for pattern in fresh):
                    _send(client.writer, (PUBLISH << 4) | 1, _text(topic) + payload)
        elif kind >> 4 == UNSUBSCRIBE:
            _send(client.writer, UNSUBACK << 4, body[:2])
        elif kind >> 4 == PINGREQ:
            _send(client.writer, PINGRESP << 4, b"")


@asynccontextmanager
async def brokering(broker: Broker, tls: Optional[ssl.SSLContext] = None) -> AsyncIterator[Broker]:
    """Run the broker on a free port of 127.0.0.1."""
    server = await asyncio.start_server(broker.serve, "127.0.0.1", broker.port, ssl=tls)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
        broker.drop_all()
        await asyncio.sleep(0)


def _matches(pattern: str, topic: str) -> bool:
    wanted, found = pattern.split("/"), topic.split("/")
    for n, part in enumerate(wanted):
        if part == "#":
            return True
        if n >= len(found) or part not in ("+", found[n]):
            return False
    return len(wanted) == len(found)


def _text(text: str) -> bytes:
    return len(text.encode()).to_bytes(2, "big") + text.encode()


def _send(writer: asyncio.StreamWriter, head: int, body: bytes) -> None:
    size, length = len(body), b""
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            break
    writer.write(bytes([head]) + length + body)


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readexactly(1))[0]
    size, shift = 0, 0
    while True:
        digit = (await reader.readexactly(1))[0]
        size |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return head, await reader.readexactly(size)
