"""The MQTT client leaves sockets alone that are no longer its own."""

from __future__ import annotations

import asyncio
import socket

from layerwatch_watcher.mqtt import Client


async def test_a_socket_that_is_closed_at_once_leaves_nothing_to_the_next_of_its_number() -> None:
    client = Client("127.0.0.1")
    near, far = socket.socketpair()
    client._on_socket_register_write(client._client, None, near)
    client._on_socket_unregister_write(client._client, None, near)
    number = near.fileno()
    near.close()
    after, beyond = socket.socketpair()
    assert after.fileno() == number
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not asyncio.get_running_loop().remove_writer(after)
    for each in (far, after, beyond):
        each.close()
