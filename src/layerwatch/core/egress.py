"""Connections to addresses that other people wrote down, without being led into our own network.

A name is resolved here and connected to as resolved, so that no second answer of a name server slips in
between the check and the connection (DNS rebinding). Every connection is checked, so redirects are, too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpcore

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in text.split())


_GLOBAL_UNICAST = _networks("0.0.0.0/0 2000::/3")
"""What IANA gives out as global unicast. `is_global` differs by Python version and lets through much that is
not: translated and compatible IPv4 (64:ff9b::/96, ::a.b.c.d), site-local, segment routing."""

_SPECIAL = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24"
    " 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
    " 2001::/23 2001:db8::/32 2002::/16 3fff::/20"
)
"""Exceptions from it in IANA's special-purpose registries (RFC 6890), Teredo and 6to4 among them."""

_LOCAL = _networks("10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16 fc00::/7")
"""Private networks, where a host that the operator names may be. Tailscale uses 100.64.0.0/10."""

_RESOLVERS = ThreadPoolExecutor(8, thread_name_prefix="layerwatch-resolver")
"""Threads for name look-ups only: a name server that never answers must not occupy the threads of others."""


class AddressNotPublic(httpcore.ConnectError):
    """The address is not public, and the operator did not list it."""


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
            raise AddressNotPublic("not a public address")
        return addresses[0]

    def _allows(self, host: str, address: Address) -> bool:
        address = _unmapped(address)
        if _is_in(address, self.networks):
            return True
        if _is_in(address, _GLOBAL_UNICAST) and not _is_in(address, _SPECIAL):
            return True
        if _name(host) not in self.names:
            return False
        return _is_in(address, _LOCAL) or (address.is_loopback and _name(host) == "localhost")


ANYWHERE = Reachable(_networks("0.0.0.0/0 ::/0"))
"""Private networks and this machine, too."""


def _name(host: str) -> str:
    return host.rstrip(".").lower()


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _unmapped(address: Address) -> Address:
    """The IPv4 address that a socket connects to for `::ffff:a.b.c.d`; any other address as it is."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to what is reachable, for httpcore's pools. Its methods' forms are httpcore's."""

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
        address = self._reachable.choose(host, await _resolve(host, port))
        return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        raise AddressNotPublic("not a network address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _resolve(host: str, port: int) -> list[str]:
    """The host's addresses. Raises ConnectError."""

    def look_up() -> list[str]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(info[4][0]) for info in found]

    try:
        return await asyncio.get_running_loop().run_in_executor(_RESOLVERS, look_up)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("the name cannot be resolved") from error
