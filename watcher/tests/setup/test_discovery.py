"""Printers are found in the local network, within a time, and only their own address is believed."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from layerwatch_watcher.setup.found import FoundPrinter
from layerwatch_watcher.setup.mdns import DiscoveryError, search_mdns
from layerwatch_watcher.setup.ssdp import read_ssdp, search_ssdp

LOOPBACK = ["127.0.0.1"]
ANNOUNCEMENT = (
    b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1990\r\nServer: UPnP/1.0\r\nLocation: 10.9.9.9\r\n"
    b"NT: urn:bambulab-com:device:3dprinter:1\r\nUSN: 01S00A2B0000001\r\nDevModel.bambu.com: C12\r\n"
    b"DevName.bambu.com: workshop\r\n\r\n"
)


@asynccontextmanager
async def announced(kind: str, name: str, port: int, address: str = "127.0.0.1") -> AsyncIterator[None]:
    zeroconf = pytest.importorskip("zeroconf")
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    try:
        zero = AsyncZeroconf(interfaces=LOOPBACK, ip_version=zeroconf.IPVersion.V4Only)
    except OSError as error:
        pytest.skip(f"no multicast on loopback here: {error}")
    info = AsyncServiceInfo(
        f"_{kind}._tcp.local.",
        f"{name}._{kind}._tcp.local.",
        addresses=[socket.inet_aton(address)],
        port=port,
        server="printer.local.",
    )
    try:
        await (await zero.async_register_service(info))
        yield
    finally:
        await zero.async_close()


@pytest.mark.parametrize(
    ("service", "name", "kind"),
    [
        ("octoprint", "OctoPrint instance on octopi", "octoprint"),
        ("moonraker", "voron", "moonraker"),
        ("http", "Prusa MK4", "prusalink"),
    ],
)
async def test_a_printer_that_announces_itself_is_found(service: str, name: str, kind: str) -> None:
    async with announced(service, name, 7125):
        found = await search_mdns(3.0, LOOPBACK)
    assert FoundPrinter(kind, "127.0.0.1", 7125, name) in found


async def test_a_web_page_that_is_no_printer_is_left_out() -> None:
    async with announced("http", "NAS", 80):
        assert await search_mdns(2.0, LOOPBACK) == []


async def test_an_address_outside_the_local_network_is_not_believed() -> None:
    async with announced("octoprint", "elsewhere", 80, address="8.8.8.8"):
        assert await search_mdns(2.0, LOOPBACK) == []


async def test_without_zeroconf_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    with pytest.raises(DiscoveryError, match="pip install zeroconf"):
        await search_mdns(1.0)


class BambuSsdp(asyncio.DatagramProtocol):
    """A Bambu Lab printer that answers when it is asked."""

    def __init__(self) -> None:
        self.questions: list[bytes] = []
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.questions.append(data)
        self.transport.sendto(ANNOUNCEMENT.replace(b"NOTIFY * HTTP/1.1", b"HTTP/1.1 200 OK"), addr)


async def test_a_bambu_printer_that_is_asked_is_found_at_the_address_it_answers_from() -> None:
    loop = asyncio.get_running_loop()
    transport, printer = await loop.create_datagram_endpoint(BambuSsdp, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    found = await search_ssdp(0.3, [("127.0.0.1", port)], listen=())
    transport.close()
    assert found == [FoundPrinter("bambu", "127.0.0.1", 0, "workshop", "01S00A2B0000001", "p1s")]
    assert printer.questions[0].startswith(b"M-SEARCH * HTTP/1.1\r\n")


async def test_a_bambu_printer_that_announces_itself_is_heard() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    searching = asyncio.ensure_future(search_ssdp(0.5, (), listen=(port,)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while not searching.done():  # as the printer does, only more often
            sender.sendto(ANNOUNCEMENT, ("127.0.0.1", port))
            await asyncio.sleep(0.02)
    assert [one.serial for one in await searching] == ["01S00A2B0000001"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 100,
        b'M-SEARCH * HTTP/1.1\r\nMAN: "ssdp:discover"\r\nST: urn:bambulab-com:device:3dprinter:1\r\n\r\n',
        ANNOUNCEMENT.replace(b"bambulab-com", b"schemas-upnp-org"),
        ANNOUNCEMENT + b"x" * 4000,
    ],
)
def test_what_is_no_printer_is_left_out(data: bytes) -> None:
    assert read_ssdp(data, "192.168.1.30") is None


def test_a_sender_outside_the_local_network_is_left_out() -> None:
    assert read_ssdp(ANNOUNCEMENT, "8.8.8.8") is None


def test_a_serial_number_is_read_out_of_a_longer_name() -> None:
    longer = ANNOUNCEMENT.replace(
        b"01S00A2B0000001", b"uuid:01S00A2B0000001::urn:bambulab-com:device:3dprinter:1"
    )
    found = read_ssdp(longer, "192.168.1.30")
    assert found is not None and found.serial == "01S00A2B0000001"


def test_names_hold_nothing_that_a_terminal_obeys() -> None:
    found = read_ssdp(ANNOUNCEMENT.replace(b"workshop", b"a\x1b[31m" + b"b" * 200), "192.168.1.30")
    assert found is not None and found.name.startswith("a[31mbbb") and len(found.name) == 64
