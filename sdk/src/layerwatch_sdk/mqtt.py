"""The MQTT client: aiomqtt's, without a race in which a link may stand still for ever.

Asked by paho to watch a socket for writing, aiomqtt (2.5) notes its number and does so a turn of the event
loop later. If the broker breaks the connection in between, the number is that of a closed socket, or by then
of another one: that one is then watched by a stranger, and its own watching may fail when both are gone.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiomqtt


class Client(aiomqtt.Client):
    """Watches a socket at once, where that can be done."""

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:  # paho connects in a thread, in which nothing closes the socket meanwhile
            here = False
        if not here:
            super()._on_socket_register_write(client, userdata, sock)
            return

        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        self._loop.add_writer(sock.fileno(), write)
