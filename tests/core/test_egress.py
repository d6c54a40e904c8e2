"""Where an address from outside may lead us, and where not."""

from __future__ import annotations

import socket
from typing import Any

import httpcore
import pytest

from layerwatch.core.egress import AsyncCheckedBackend, CheckedBackend, NotAllowed, Reachable

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
    "2001:db8::1",
]
PUBLIC = ["8.8.8.8", "151.101.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_not_reached(address: str) -> None:
    with pytest.raises(NotAllowed):
        Reachable().choose("camera.example.org", [address])


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is(address: str) -> None:
    assert Reachable().choose("camera.example.org", [address]) == address


def test_one_private_answer_among_public_ones_spoils_all() -> None:
    with pytest.raises(NotAllowed):
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
        with pytest.raises(NotAllowed):
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

    def connect_sync(_: Any, host: str, *__: Any, **___: Any) -> None:
        connected.append(host)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect_sync)
    await AsyncCheckedBackend(Reachable()).connect_tcp("rebind.example.org", 80)
    assert (asked, connected) == (["rebind.example.org"], ["8.8.8.8"])
    with pytest.raises(NotAllowed):
        CheckedBackend().connect_tcp("rebind.example.org", 80)
    assert connected == ["8.8.8.8"]


async def test_no_other_way_in() -> None:
    with pytest.raises(NotAllowed):
        await AsyncCheckedBackend(Reachable()).connect_unix_socket("/run/docker.sock")
