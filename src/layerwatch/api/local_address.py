"""The address of this machine that a caller used: one of its own, whatever the request's headers say.

It is the local end of the connection, which the operating system names. The Host header counts where it names
this machine itself (localhost): through a container's published port the connection's end is an address that
only the container has.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


def url_used(scope: Mapping[str, Any]) -> str | None:
    """The URL of this machine's address that a request used, without path; None where it is no IP address.

    scope: the ASGI scope, whose `server` is the connection's local address and port.
    """
    server = scope.get("server")
    if not server or not server[1]:
        return None
    try:
        address = ipaddress.ip_address(server[0])
    except ValueError:
        return None
    asked = _loopback_asked(scope)
    if asked is not None and not address.is_loopback:
        address = asked
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address.is_link_local:  # needs the caller's name for its network card
            return None
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"http://{host}:{server[1]}"


def _loopback_asked(scope: Mapping[str, Any]) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The loopback address in the Host header, or None if it names anything else."""
    for name, value in scope.get("headers", ()):
        if name == b"host":
            try:
                host = urlsplit(f"//{value.decode('latin-1')}").hostname or ""
                address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
            except ValueError:
                return None
            return address if address.is_loopback else None
    return None


def network_address() -> str | None:
    """The address under which other machines of the local network reach this one, as far as can be known.

    It is the one that a packet to elsewhere would carry; no packet is sent.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # reserved for documentation
            address = ipaddress.ip_address(probe.getsockname()[0])
        except (OSError, ValueError):
            return None
    return None if address.is_loopback or address.is_unspecified else str(address)
