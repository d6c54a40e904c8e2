"""The open connections of a process, bounded in all and for each address.

Where there are too many, those are closed whose clients keep the server waiting longest. So neither
connections that send nothing nor ones that send a byte now and then keep anybody else out, and a client that
sends at the speed of a network is never one of them.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterable
from typing import Protocol

MIN_BYTES_PER_S = 1_000
"""What a client is expected to send while the server waits for its request: 8 kbit/s, the slowest mobile
uplink."""

RESERVED_FILES = 128
"""Open files left for everything but connections: database, spool, outgoing calls, libraries."""

MAX_CONNECTIONS = 10_000
"""In one process, where the limit on open files is higher: about 30 KB each."""

CLOSE_BATCH_SHARE = 0.1
"""Share of the connections closed at once when there are too many: finding them takes a pass over all."""


CROWDED_SHARE = 0.8
"""Share of the maximum at which connections are crowded. Less than `CLOSE_BATCH_SHARE` leaves."""


class HeldConnection(Protocol):
    """A connection as `Connections` knows it."""

    @property
    def address(self) -> str: ...

    def lag(self, now: float) -> float | None:
        """Seconds by which its client is behind `MIN_BYTES_PER_S`; None while it is the client that waits."""

    def drop(self) -> None:
        """Close it."""


class Connections:
    """The open connections.

    most, per_address: the limits; an IPv6 address counts with its /64.
    exempt: addresses and networks, separated by commas, without a limit for each; `*` is every address.
    """

    def __init__(self, most: int, per_address: int, exempt: str) -> None:
        self._most = most
        self._per_address = per_address
        self._exempt_all = exempt.strip() == "*"
        self._exempt = _networks(exempt)
        self._open: set[HeldConnection] = set()
        self._by_client: dict[str, set[HeldConnection]] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def crowded(self) -> bool:
        """Whether there is little room left."""
        return len(self._open) >= self._most * CROWDED_SHARE

    def add(self, connection: HeldConnection, now: float) -> bool:
        """Count a new connection, closing others where there are too many. False: there is no room for it.

        now: of the clock that `lag` uses, seconds.
        """
        client = _client(connection.address)
        own = self._by_client.get(client, set())
        if len(own) >= self._per_address and not self._is_exempt(connection.address):
            if not self._close_laggards(own, 1, now):
                return False
        elif len(self._open) >= self._most:
            number = max(1, int(self._most * CLOSE_BATCH_SHARE))
            if not self._close_laggards(self._open, number, now):
                return False
        self._by_client.setdefault(client, set()).add(connection)
        self._open.add(connection)
        return True

    def remove(self, connection: HeldConnection) -> None:
        """Count it no longer. Does nothing for one that is not counted."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        client = _client(connection.address)
        self._by_client[client].discard(connection)
        if not self._by_client[client]:
            del self._by_client[client]

    def _close_laggards(self, connections: Iterable[HeldConnection], number: int, now: float) -> bool:
        """Close those that are furthest behind; whether there were any."""
        lags = [(lag, each) for each in connections if (lag := each.lag(now)) is not None]
        lags.sort(key=lambda entry: entry[0], reverse=True)
        for _, each in lags[:number]:
            self.remove(each)
            each.drop()
        return bool(lags)

    def _is_exempt(self, address: str) -> bool:
        if self._exempt_all:
            return True
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._exempt)


def connection_limit() -> int:
    """How many connections a process can hold: what its limit on open files leaves."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(16, min(MAX_CONNECTIONS, soft - RESERVED_FILES))


def _client(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        try:
            found.append(ipaddress.ip_network(word, strict=False))
        except ValueError:
            continue  # a name, which uvicorn compares as text
    return found
