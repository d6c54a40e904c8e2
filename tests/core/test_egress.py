"""Where an address from outside may lead us, and where not."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import httpcore
import pytest

from layerwatch.core.egress import ANYWHERE, AddressNotPublic, CheckedBackend, Reachable

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.7",
    "172.16.0.1",
    "192.168.1.20",
    "100.64.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:192.168.1.20",
    "64:ff9b::7f00:1",
    "64:ff9b::c0a8:114",
    "2002:7f00:1::",
    "2002:c0a8:114::1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "64:ff9b:1::808:808",
    "2002:808:808::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:db8::1",
    "3fff::1",
    "3fff:fff::1",
    "5f00::1",
    "fec0::1",
    "feff::1",
    "::8.8.8.8",
    "::127.0.0.1",
    "::ffff:0:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "100::1",
    "4000::1",
    "e000::1",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "::ffff:192.88.99.1",
]
PUBLIC = ["8.8.8.8", "151.101.1.1", "192.0.1.1", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_not_reached(address: str) -> None:
    with pytest.raises(AddressNotPublic):
        Reachable().choose("camera.example.org", [address])


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is(address: str) -> None:
    assert Reachable().choose("camera.example.org", [address]) == address


def test_one_private_answer_among_public_ones_spoils_all() -> None:
    with pytest.raises(AddressNotPublic):
        Reachable().choose("camera.example.org", ["8.8.8.8", "192.168.1.20"])


@pytest.mark.parametrize(
    ("listed", "host", "address", "good"),
    [
        ("192.168.1.0/24", "any.example.org", "192.168.1.20", True),
        ("192.168.1.7/24", "any.example.org", "192.168.1.20", True),
        ("192.168.1.20", "192.168.1.20", "192.168.1.20", True),
        ("192.168.1.20", "192.168.1.21", "192.168.1.21", False),
        ("192.168.1.0/24", "x", "::ffff:192.168.1.20", True),
        ("fd00::/8", "x", "fd12::1", True),
        ("127.0.0.1", "x", "127.0.0.1", True),
        ("octopi.local", "octopi.local", "192.168.1.20", True),
        ("octopi.local", "OctoPi.Local.", "192.168.1.20", True),
        ("octopi.local", "octopi.local", "fd12::1", True),
        ("printer.ts.net", "printer.ts.net", "100.64.0.9", True),
        ("64:ff9b::/96", "x", "64:ff9b::c0a8:114", True),
        ("octopi.local", "octopi.local", "64:ff9b::c0a8:114", False),
        ("octopi.local", "octopi.local", "fec0::1", False),
        ("octopi.local", "octopi.local", "::192.168.1.20", False),
        ("octopi.local", "octopi.local", "198.18.0.1", False),
        ("octopi.local", "octopi.local", "127.0.0.1", False),
        ("octopi.local", "octopi.local", "169.254.169.254", False),
        ("octopi.local", "octopi.local", "::1", False),
        ("octopi.local", "other.local", "192.168.1.20", False),
        ("octopi.local", "x.octopi.local", "192.168.1.20", False),
        ("localhost", "localhost", "127.0.0.1", True),
        ("localhost", "localhost", "::1", True),
        ("localhost", "localhost.example.org", "127.0.0.1", False),
        ("10.0.0.0/8, octopi.local  192.168.0.0/16", "x", "192.168.9.9", True),
    ],
)
def test_what_the_operator_lists_is_reached_and_nothing_beside_it(
    listed: str, host: str, address: str, good: bool
) -> None:
    reachable = Reachable.parse(listed)
    if good:
        assert reachable.choose(host, [address]) == address
    else:
        with pytest.raises(AddressNotPublic):
            reachable.choose(host, [address])


@pytest.mark.parametrize("listed", ["http://octopi.local", "192.168.1.0/33", "octopi.local:80", "a..b", "*"])
def test_what_cannot_be_read_is_named(listed: str) -> None:
    with pytest.raises(ValueError, match="is neither a network"):
        Reachable.parse(listed)


async def test_a_name_is_resolved_once_and_connected_to_as_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second answer of a name server that rebinds is never asked for."""
    answers = iter(["8.8.8.8", "127.0.0.1"])
    asked: list[str] = []

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    connected: list[str] = []

    async def connect(_: Any, host: str, *__: Any, **___: Any) -> None:
        connected.append(host)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    backend = CheckedBackend(Reachable())
    await backend.connect_tcp("rebind.example.org", 80)
    assert (asked, connected) == (["rebind.example.org"], ["8.8.8.8"])
    with pytest.raises(AddressNotPublic):
        await backend.connect_tcp("rebind.example.org", 80)
    assert connected == ["8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_operator_may_allow_everything(address: str) -> None:
    assert ANYWHERE.choose("camera.example.org", [address]) == address


async def test_name_servers_that_never_answer_take_no_thread_from_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Key checks use the event loop's own threads; look-ups of strangers' names must not."""
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(30) and [])
    backend = CheckedBackend(Reachable())
    stuck = [asyncio.create_task(backend.connect_tcp(f"{n}.example.org", 80)) for n in range(50)]
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "checked"), 10) == "checked"
    finally:
        released.set()
        await asyncio.gather(*stuck, return_exceptions=True)


async def test_no_other_way_in() -> None:
    with pytest.raises(AddressNotPublic):
        await CheckedBackend(Reachable()).connect_unix_socket("/run/docker.sock")
