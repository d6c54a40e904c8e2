"""The MQTT client leaves sockets alone that are no longer its own."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Coroutine

import aiomqtt
import pytest
from watcher.tests.stand_ins.broker import Broker, brokering

from layerwatch_watcher.mqtt import MqttClient
from layerwatch_watcher.stopping import on_termination
from layerwatch_watcher.waiting import within


class FromPaho(MqttClient):
    """Asks for a socket to be watched, as paho does when it has something to write."""

    def begin_writing(self, near: socket.socket) -> None:
        self._on_socket_register_write(self._client, None, near)

    def end_writing(self, near: socket.socket) -> None:
        self._on_socket_unregister_write(self._client, None, near)


async def test_a_socket_that_is_closed_at_once_leaves_nothing_to_the_next_of_its_number() -> None:
    client = FromPaho("127.0.0.1")
    near, far = socket.socketpair()
    client.begin_writing(near)
    client.end_writing(near)
    number = near.fileno()
    near.close()
    after, beyond = socket.socketpair()
    assert after.fileno() == number
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not asyncio.get_running_loop().remove_writer(after)
    for each in (far, after, beyond):
        each.close()


class WithoutSockets(asyncio.SelectorEventLoop):
    """As Windows' usual event loop: it watches no sockets and handles no signals. Simulated here."""

    def _no(self, *arguments: object) -> None:
        raise NotImplementedError

    add_reader = add_writer = remove_reader = remove_writer = add_signal_handler = _no  # type: ignore[assignment]


def test_messages_pass_both_ways_on_a_loop_that_watches_no_sockets() -> None:
    async def exchange() -> None:
        broker = Broker("u", "p")
        async with brokering(broker):
            client = MqttClient("127.0.0.1", broker.port, username="u", password="p")
            async with client:
                await client.subscribe("to/us")
                await client.publish("from/us", b"hello")
                await broker.publish("to/us", b"x" * 20_000)
                message = await within(client.messages.__anext__(), 5)
                assert len(message.payload) == 20_000
                for _ in range(50):
                    await client.publish("from/us", b"again")
        assert broker.messages[0] == ("from/us", b"hello") and len(broker.messages) == 51

    run_on(WithoutSockets(), exchange())


def test_a_broker_that_goes_away_is_noticed_on_such_a_loop() -> None:
    async def lose() -> None:
        broker = Broker("u", "p")
        async with brokering(broker):
            with pytest.raises(aiomqtt.MqttError):
                async with MqttClient("127.0.0.1", broker.port, username="u", password="p") as client:
                    await client.subscribe("to/us")
                    broker.drop_all()
                    await within(client.messages.__anext__(), 5)

    run_on(WithoutSockets(), lose())


def test_the_watcher_ends_in_good_order_at_sigterm_on_such_a_loop() -> None:
    async def ended() -> None:
        over = asyncio.Event()
        on_termination(over.set)
        signal.raise_signal(signal.SIGTERM)
        await within(over.wait(), 5)

    before = signal.getsignal(signal.SIGTERM)
    try:
        run_on(WithoutSockets(), ended())
    finally:
        signal.signal(signal.SIGTERM, before)


def run_on(loop: asyncio.AbstractEventLoop, work: Coroutine[object, object, None]) -> None:
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()
