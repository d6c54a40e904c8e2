"""The address of this machine that a caller used: the local end of its connection.

The operating system names it, so that it is one of the machine's own whatever the request's headers say.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any


def url_used(scope: Mapping[str, Any]) -> str | None:
    """The URL of the local end of a request's connection, without path; None where it is no IP address.

    scope: the ASGI scope, whose `server` is the connection's local address and port.
    """
    server = scope.get("server")
    if not server or not server[1]:
        return None
    try:
        address = ipaddress.ip_address(server[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address.is_link_local:  # needs the caller's name for its network card
            return None
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"http://{host}:{server[1]}"


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
