"""Printers that answer in the local network: mDNS (OctoPrint, Moonraker, PrusaLink) and SSDP (Bambu Lab).

Only questions to multicast groups are sent, and nothing is sent to what answers. Time, number and size of the
answers are bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from dataclasses import dataclass
from typing import Any, Optional, Sequence, Tuple

SECONDS = 5.0
MAX_ANSWERS = 64
MAX_BYTES = 2048
"""Of one SSDP answer; longer ones are left unread. mDNS packets are bounded by zeroconf (9,000)."""
SSDP_GROUP, SSDP_PORTS, NOTIFY_PORT = "239.255.255.250", (1990, 2021), 2021
_TYPES = {
    "_octoprint._tcp.local.": "octoprint",
    "_moonraker._tcp.local.": "moonraker",
    "_prusalink._tcp.local.": "prusalink",
    "_http._tcp.local.": "",  # PrusaLink also shows as a plain web page
}
_BAMBU_MODELS = {
    "BL-P001": "x1c", "BL-P002": "x1", "C13": "x1e", "C11": "p1p", "C12": "p1s",
    "N1": "a1mini", "N2S": "a1", "N7": "p2s", "O1D": "h2d", "O1S": "h2s",
}  # fmt: skip


class DiscoveryError(Exception):
    """The network cannot be searched; `str()` says why and what to do."""


@dataclass(frozen=True)
class Found:
    """One printer that answered. host: its address in the local network. port: 0 where the kind has its own."""

    kind: str
    host: str
    port: int = 0
    name: str = ""
    serial: str = ""
    model: str = ""

    def table(self) -> dict[str, Any]:
        """Its [[printer]] table, but for the login."""
        named: dict[str, Any] = {"name": self.name or self.host, "kind": self.kind}
        if self.kind == "bambu":
            known = {"serial": self.serial, "model": self.model}
            return {**named, "host": self.host, **{key: value for key, value in known.items() if value}}
        return {**named, "url": f"http://{self.host}:{self.port}"}

    def line(self) -> str:
        """As a person reads it."""
        where = f"{self.host}:{self.port}" if self.port else self.host
        return f"{self.kind} at {where}" + (f" ({self.name})" if self.name else "")


async def search(seconds: float = SECONDS) -> Tuple[list[Found], str]:
    """All printers that answer within `seconds`, and what could not be searched, in words ("" if nothing)."""
    bambu = asyncio.ensure_future(search_ssdp(seconds))
    missed = ""
    try:
        found = await search_mdns(seconds)
    except DiscoveryError as error:
        found, missed = [], str(error)
    return [*found, *await bambu], missed


async def search_mdns(seconds: float, interfaces: Optional[Sequence[str]] = None) -> list[Found]:
    """Printers that announce themselves over mDNS. Raises DiscoveryError.

    interfaces: this machine's addresses to ask from; None: all.
    """
    try:
        from zeroconf import InterfaceChoice, IPVersion, ServiceStateChange, Zeroconf
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf
    except ImportError:
        raise DiscoveryError(
            "finding OctoPrint, Moonraker and PrusaLink needs zeroconf: pip install zeroconf, "
            "or give the address"
        ) from None
    names: dict[Tuple[str, str], None] = {}

    def seen(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if len(names) < MAX_ANSWERS and state_change is not ServiceStateChange.Removed:
            names[service_type, name] = None

    try:
        zero = AsyncZeroconf(
            interfaces=list(interfaces) if interfaces else InterfaceChoice.All, ip_version=IPVersion.V4Only
        )
    except OSError as error:
        raise DiscoveryError(f"mDNS is not possible here: {error.strerror or error}") from None
    try:
        browser = AsyncServiceBrowser(zero.zeroconf, list(_TYPES), handlers=[seen])
        await asyncio.sleep(seconds * 0.7)
        await browser.async_cancel()
        infos = [AsyncServiceInfo(*pair) for pair in names]
        await asyncio.gather(*(info.async_request(zero.zeroconf, seconds * 300) for info in infos))
    finally:
        await zero.async_close()
    found: dict[Tuple[str, int], Found] = {}
    for info in infos:
        kind, name = _TYPES[info.type], _plain(info.name[: -len(info.type) - 1])
        if "prusa" in f"{name} {info.server}".lower():
            kind = "prusalink"
        for host in info.parsed_addresses(IPVersion.V4Only)[:1]:
            if kind and _local(host) and info.port:
                found.setdefault((host, info.port), Found(kind, host, info.port, name))
    return list(found.values())


class _Ssdp(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.found: dict[str, Found] = {}

    def datagram_received(self, data: bytes, addr: Tuple[Any, ...]) -> None:
        answer = read_ssdp(data, str(addr[0]))
        if answer is not None and len(self.found) < MAX_ANSWERS:
            self.found[answer.host] = answer


def read_ssdp(data: bytes, sender: str) -> Optional[Found]:
    """The Bambu Lab printer of one SSDP answer. Its address is the sender's, whatever the answer says."""
    if len(data) > MAX_BYTES or not _local(sender):
        return None
    pairs = (line.partition(":") for line in data.decode("utf-8", "replace").splitlines())
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if "bambulab-com:device:3dprinter" not in fields.get("st", "") + fields.get("nt", ""):
        return None
    name = _plain(fields.get("devname.bambu.com", ""))
    model = _BAMBU_MODELS.get(fields.get("devmodel.bambu.com", ""), "")
    return Found("bambu", sender, 0, name, _plain(fields.get("usn", "")), model)


async def search_ssdp(
    seconds: float,
    targets: Sequence[Tuple[str, int]] = tuple((SSDP_GROUP, port) for port in SSDP_PORTS),
    listen: int = NOTIFY_PORT,
) -> list[Found]:
    """Bambu Lab printers: asked by M-SEARCH, and heard where they announce themselves (port `listen`)."""
    loop, heard = asyncio.get_running_loop(), _Ssdp()
    transports = []
    for port in (0, listen):
        with contextlib.suppress(OSError):  # another program may hold the port; answers still come to ours
            transport, _ = await loop.create_datagram_endpoint(
                lambda: heard,
                local_addr=("0.0.0.0", port),
                family=socket.AF_INET,  # noqa: S104
            )
            transports.append(transport)
    try:
        for host, port in targets:
            text = (
                f'M-SEARCH * HTTP/1.1\r\nHOST: {host}:{port}\r\nMAN: "ssdp:discover"\r\nMX: 3\r\n'
                "ST: urn:bambulab-com:device:3dprinter:1\r\n\r\n"
            )
            for transport in transports[:1]:
                transport.sendto(text.encode(), (host, port))
        await asyncio.sleep(seconds)
    finally:
        for transport in transports:
            transport.close()
    return list(heard.found.values())


def _local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private and not address.is_multicast and not address.is_unspecified


def _plain(text: str) -> str:
    """A name from the network, fit for a terminal and for the file."""
    return "".join(character for character in text if character.isprintable())[:64].strip()
