"""OctoPrint, Moonraker and PrusaLink by mDNS, with `zeroconf` (an optional package, LGPL-2.1)."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Optional, Sequence, Tuple

from layerwatch_watcher.setup.found import MAX_FOUND, FoundPrinter, clean_name, is_local

_KINDS = {
    "_octoprint._tcp.local.": "octoprint",
    "_moonraker._tcp.local.": "moonraker",
    "_prusalink._tcp.local.": "prusalink",
    "_prusa-link._tcp.local.": "prusalink",
    "_http._tcp.local.": "",  # PrusaLink on the printer itself shows only as a web page
}
_BROWSING_SHARE = 0.7
"""Of the time; the rest is for asking where each name is."""


class DiscoveryError(Exception):
    """The network cannot be searched; `str()` says why and what to do."""


async def search_mdns(seconds: float, interfaces: Optional[Sequence[str]] = None) -> list[FoundPrinter]:
    """Printers that announce themselves within `seconds`. Raises DiscoveryError.

    interfaces: addresses of this machine to ask from; None: all.
    """
    try:
        from zeroconf import InterfaceChoice, IPVersion, ServiceStateChange, Zeroconf
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf
    except ImportError:
        raise DiscoveryError(
            "OctoPrint, Moonraker and PrusaLink cannot be discovered without zeroconf: "
            "pip install zeroconf, or enter the address"
        ) from None
    names: dict[Tuple[str, str], None] = {}

    def seen(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if len(names) < MAX_FOUND and state_change is not ServiceStateChange.Removed:
            names[service_type, name] = None

    try:
        zero = AsyncZeroconf(interfaces=interfaces or InterfaceChoice.All, ip_version=IPVersion.V4Only)
    except OSError as error:
        raise DiscoveryError(f"mDNS does not work here: {error.strerror or error}") from None
    try:
        browser = AsyncServiceBrowser(zero.zeroconf, list(_KINDS), handlers=[seen])
        await asyncio.sleep(seconds * _BROWSING_SHARE)
        await browser.async_cancel()
        infos = [AsyncServiceInfo(*pair) for pair in names]
        left_ms = 1000 * seconds * (1 - _BROWSING_SHARE)
        await asyncio.gather(*(info.async_request(zero.zeroconf, left_ms) for info in infos))
    finally:
        await zero.async_close()
    own = interfaces is not None and all(ipaddress.ip_address(one).is_loopback for one in interfaces)
    found: dict[Tuple[str, int], FoundPrinter] = {}
    for info in infos:
        kind, name = _KINDS[info.type], clean_name(info.name[: -len(info.type) - 1])
        if "prusa" in f"{name} {info.server}".lower():
            kind = "prusalink"
        for host in info.parsed_addresses(IPVersion.V4Only)[:1]:
            if kind and info.port and is_local(host, loopback=own):
                found.setdefault((host, info.port), FoundPrinter(kind, host, info.port, name))
    return list(found.values())
