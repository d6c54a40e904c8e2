"""A request to somebody else's address is bounded in time and bytes, whatever is at the other end."""

from __future__ import annotations

import time

import pytest

from layerwatch.core import outgoing
from layerwatch.core.egress import ANYWHERE, Reachable
from tests.support.receivers import Flood, accept, drip, receiving, say_nothing

KERNEL_BUFFERS = 16 * 1024 * 1024


async def post(url: str, reachable: Reachable = ANYWHERE) -> int:
    return await outgoing.post(url, {"Content-Type": "application/json"}, b"{}", reachable)


async def test_a_receiver_that_answers_is_taken_at_its_status() -> None:
    with receiving(accept) as receiver:
        assert await post(receiver.url) == 204


async def test_a_receiver_that_drips_its_answer_is_left_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outgoing, "DEADLINE_S", 0.5)
    with receiving(drip) as receiver:
        began = time.monotonic()
        with pytest.raises(outgoing.RequestFailed, match=r"no answer within 0\.5 s"):
            await post(receiver.url)
        assert time.monotonic() - began < 5


async def test_a_receiver_that_says_nothing_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "DEADLINE_S", 0.5)
    with (
        receiving(say_nothing) as receiver,
        pytest.raises(outgoing.RequestFailed, match="no answer"),
    ):
        await post(receiver.url)


async def test_a_head_without_end_is_refused() -> None:
    flood = Flood(b"HTTP/1.1 200 OK\r\nX-Long: ")
    with receiving(flood) as receiver, pytest.raises(outgoing.RequestFailed):
        await post(receiver.url)
    assert flood.sent < KERNEL_BUFFERS


async def test_a_body_without_end_is_not_read_and_the_status_counts() -> None:
    flood = Flood(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    with receiving(flood) as receiver:
        assert await post(receiver.url) == 200
    assert flood.sent < KERNEL_BUFFERS


async def test_a_body_that_drips_is_not_waited_for_longer_than_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outgoing, "DEADLINE_S", 0.5)

    def slow_body(connection: object) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")  # type: ignore[attr-defined]
        drip(connection)  # type: ignore[arg-type]

    with receiving(slow_body) as receiver:
        assert await post(receiver.url) == 200, "it was accepted; trying again would deliver it twice"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/", "https://127.0.0.1:9/", "http://no.such.host.invalid/", "http://[::1/", "x:"],
)
async def test_what_cannot_be_reached_fails(url: str) -> None:
    with pytest.raises(outgoing.RequestFailed):
        await post(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_our_own_network_is_not_reached(host: str) -> None:
    with receiving(accept) as receiver:
        with pytest.raises(outgoing.RequestFailed, match="not public"):
            await post(receiver.url.replace("127.0.0.1", host), Reachable())
        assert receiver.calls == 0
