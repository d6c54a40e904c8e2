"""The MQTT client: aiomqtt's, without two races in which a link may stand still, or never end.

Asked by paho to watch a socket for writing, aiomqtt (2.5) notes its number and does so a turn of the event
loop later. If the broker breaks the connection in between, the number is that of a closed socket, or by then
of another one: that one is then watched by a stranger, and its own watching may fail when both are gone.

And it waits by `asyncio.wait_for`, which up to Python 3.11 may forget that it was cancelled.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import Any, Optional, TypeVar

import aiomqtt

from layerwatch_watcher.waiting import within

T = TypeVar("T")


class Client(aiomqtt.Client):
    """Watches a socket at once, where that can be done; ends when it is cancelled."""

    async def _wait_for(self, fut: Awaitable[T], timeout: Optional[float]) -> T:  # noqa: ASYNC109
        seconds = self.timeout if timeout is None else timeout
        try:
            return await within(fut, None if seconds == math.inf else seconds)
        except asyncio.TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None

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
