"""Connections to addresses that other people wrote down, without being led into our own network.

A name is resolved here and connected to as resolved, so that no second answer of a name server slips in
between the check and the connection (DNS rebinding). Every connection is checked, so redirects are, too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpcore

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 behind a translator (RFC 6052): reaches whatever the last four bytes say."""


class NotAllowed(httpcore.ConnectError):
    """The address lies where nobody from outside may lead us."""


@dataclass(frozen=True)
class Reachable:
    """What may be connected to: public addresses, and the networks and hosts that the operator listed.

    networks: any address in them.  names: hosts that may have a private address, whichever it is now.
    A listed name does not open this machine itself (loopback) or its neighbours without an address
    (link-local, where clouds keep their credentials): only `localhost`, or a listed network, does.
    """

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Reachable:
        """From "192.168.1.0/24, 10.0.0.7, octopi.local". Raises ValueError, naming what is wrong."""
        networks: list[Network] = []
        names = set()
        for word in text.replace(",", " ").split():
            try:
                networks.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                if not all(part and part.replace("-", "").isalnum() for part in _name(word).split(".")):
                    raise ValueError(
                        f"{word!r} is neither a network (192.168.1.0/24), an address nor a host's name"
                    ) from None
                names.add(_name(word))
        return cls(tuple(networks), frozenset(names))

    def choose(self, host: str, found: Iterable[str]) -> str:
        """The address to connect to, of those `found` for a host. Raises NotAllowed if one of them is not."""
        addresses = list(found)
        if not addresses or not all(self._allows(host, ipaddress.ip_address(one)) for one in addresses):
            raise NotAllowed("not a public address")
        return addresses[0]

    def _allows(self, host: str, address: Address) -> bool:
        inner = _inside(address)
        if any(one in network for network in self.networks for one in (address, inner)):
            return True
        if inner.is_global and not inner.is_multicast and (inner is not address or address.is_global):
            return True
        if _name(host) not in self.names:
            return False
        if inner.is_loopback:
            return _name(host) == "localhost"
        return not (inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner.is_reserved)


def _name(host: str) -> str:
    return host.rstrip(".").lower()


def _inside(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address


class CheckedBackend(httpcore.SyncBackend):
    """Connects to what is reachable, for httpcore's pools."""

    def __init__(self, reachable: Reachable = Reachable()) -> None:
        self._reachable = reachable

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError("the name cannot be resolved") from error
        address = self._reachable.choose(host, (str(info[4][0]) for info in found))
        return super().connect_tcp(address, port, timeout, local_address, socket_options)


class AsyncCheckedBackend(httpcore.AsyncNetworkBackend):
    """The same for an event loop. Its methods' forms are httpcore's."""

    def __init__(self, reachable: Reachable) -> None:
        self._reachable = reachable
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name cannot be resolved") from error
        address = self._reachable.choose(host, (str(info[4][0]) for info in found))
        return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        raise NotAllowed("not a network address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
