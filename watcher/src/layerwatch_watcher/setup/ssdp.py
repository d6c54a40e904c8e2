"""Bambu Lab printers by SSDP: they announce themselves every few seconds, and answer when asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any, Optional, Sequence, Tuple

from layerwatch_watcher.setup.found import MAX_FOUND, FoundPrinter, clean_name, is_local

GROUP, PORTS = "239.255.255.250", (1990, 2021)
"""Firmware differs in which of the two ports it uses."""
TARGETS = tuple((GROUP, port) for port in PORTS)
MAX_BYTES = 2048
"""Longer messages are not read."""
_DEVICE = "urn:bambulab-com:device:3dprinter:1"
_MODELS = {
    "BL-P001": "x1c", "BL-P002": "x1", "C13": "x1e", "C11": "p1p", "C12": "p1s",
    "N1": "a1mini", "N2S": "a1", "N7": "p2s", "O1D": "h2d", "O1S": "h2s",
}  # fmt: skip


async def search_ssdp(
    seconds: float,
    targets: Sequence[Tuple[str, int]] = TARGETS,
    listen: Sequence[int] = PORTS,
) -> list[FoundPrinter]:
    """Bambu Lab printers that are heard within `seconds`.

    targets: where to ask.  listen: ports on which announcements are heard.
    """
    loop, heard = asyncio.get_running_loop(), _Ssdp()
    transports: list[asyncio.DatagramTransport] = []
    try:
        for own_port in (0, *listen):
            with contextlib.suppress(OSError):  # another program has the port for itself; answers still come
                transport, _ = await loop.create_datagram_endpoint(lambda: heard, sock=_socket(own_port))
                transports.append(transport)
        for host, port in targets:
            question = (
                f'M-SEARCH * HTTP/1.1\r\nHOST: {host}:{port}\r\nMAN: "ssdp:discover"\r\nMX: 3\r\n'
                f"ST: {_DEVICE}\r\n\r\n"
            )
            transports[0].sendto(question.encode(), (host, port))
        await asyncio.sleep(seconds)
    finally:
        for transport in transports:
            transport.close()
    return list(heard.found.values())


def read_ssdp(data: bytes, sender: str) -> Optional[FoundPrinter]:
    """The printer of one announcement or answer. Its address is the sender's, whatever the text claims."""
    if len(data) > MAX_BYTES or not is_local(sender, loopback=True):
        return None
    pairs = (line.partition(":") for line in data.decode("utf-8", "replace").splitlines()[1:])
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if _DEVICE not in (fields.get("st"), fields.get("nt")) or not fields.get("usn"):
        return None  # another device, or another program's question
    name, serial = clean_name(fields.get("devname.bambu.com", "")), _serial(fields["usn"])
    return FoundPrinter(
        "bambu", sender, 0, name, serial, _MODELS.get(fields.get("devmodel.bambu.com", ""), "")
    )


def _serial(usn: str) -> str:
    """From `SERIAL` or `uuid:SERIAL::urn:…`; firmware differs."""
    return clean_name(usn[5:] if usn.startswith("uuid:") else usn).split("::")[0]


class _Ssdp(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.found: dict[str, FoundPrinter] = {}

    def datagram_received(self, data: bytes, addr: Tuple[Any, ...]) -> None:
        one = read_ssdp(data, str(addr[0]))
        if one is not None and len(self.found) < MAX_FOUND:
            self.found[one.host] = one


def _socket(port: int) -> socket.socket:
    """A UDP socket that shares the port with other programs, and hears broadcasts and the group.

    Raises OSError.
    """
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("", port))
        with contextlib.suppress(OSError):  # no network with multicast
            membership = struct.pack("=4sL", socket.inet_aton(GROUP), socket.INADDR_ANY)
            one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except OSError:
        one.close()
        raise
    one.setblocking(False)
    return one
