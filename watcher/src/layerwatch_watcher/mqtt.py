"""The MQTT client: aiomqtt's, without two races in which a link may stand still, or never end.

Asked by paho to watch a socket for writing, aiomqtt (2.5) notes its number and does so a turn of the event
loop later. If the broker breaks the connection in between, the number is that of a closed socket, or by then
of another one: that one is then watched by a stranger, and its own watching may fail when both are gone.

And it waits by `asyncio.wait_for`, which up to Python 3.11 may forget that it was cancelled.

Windows' usual event loop cannot watch sockets at all (`add_reader` raises NotImplementedError). There the
socket is polled every `POLL_SECONDS`, which is soon enough for a printer's reports.
"""

from __future__ import annotations

import asyncio
import math
import select
import socket
from collections.abc import Awaitable
from typing import Any, Optional, TypeVar

import aiomqtt

from layerwatch_watcher.waiting import within

T = TypeVar("T")

POLL_SECONDS = 0.05


class MqttClient(aiomqtt.Client):
    """Watches a socket at once, where that can be done; ends when it is cancelled."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._can_watch = _watches_sockets(self._loop)
        self._polling: Optional[asyncio.Task[None]] = None

    async def _wait_for(self, fut: Awaitable[T], timeout: Optional[float]) -> T:  # noqa: ASYNC109
        seconds = self.timeout if timeout is None else timeout
        try:
            return await within(fut, None if seconds == math.inf else seconds)
        except asyncio.TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        if not self._can_watch:
            return  # the polling task writes
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

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        if self._can_watch:
            super()._on_socket_open(client, userdata, sock)
            return

        def begin() -> None:
            self._misc_task = self._loop.create_task(self._misc_loop())
            self._polling = self._loop.create_task(self._poll(client, sock))

        self._loop.call_soon_threadsafe(begin)

    def _on_socket_close(self, client: Any, userdata: Any, sock: Any) -> None:
        if self._can_watch:
            super()._on_socket_close(client, userdata, sock)
            return
        for task in (self._misc_task, self._polling):
            if task is not None and not task.done():
                self._loop.call_soon_threadsafe(task.cancel)

    def _on_socket_unregister_write(self, client: Any, userdata: Any, sock: Any) -> None:
        if self._can_watch:
            super()._on_socket_unregister_write(client, userdata, sock)

    async def _poll(self, client: Any, sock: Any) -> None:
        while sock.fileno() > -1:
            try:
                if _readable(sock):
                    client.loop_read()
                if client.want_write():
                    client.loop_write()
            except Exception as error:
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)
                return
            await asyncio.sleep(POLL_SECONDS)


def _watches_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    near, far = socket.socketpair()
    try:
        loop.add_reader(near.fileno(), lambda: None)
        loop.remove_reader(near.fileno())
    except NotImplementedError:
        return False
    finally:
        near.close()
        far.close()
    return True


def _readable(sock: Any) -> bool:
    pending = getattr(sock, "pending", None)  # bytes that TLS has read already
    return bool((pending and pending()) or select.select([sock], [], [], 0)[0])
