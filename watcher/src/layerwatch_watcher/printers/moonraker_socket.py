"""Klipper behind Moonraker, over its WebSocket: changes come at once, and everything is asked for at times.

Needs the package `websockets` (extra `layerwatch-watcher`). JSON-RPC methods as in Moonraker's
documentation; commands still go over HTTP, where an answer is certain.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
from typing import Any, Optional
from urllib.parse import urlsplit, urlunsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

from layerwatch_watcher.cameras.http import explain
from layerwatch_watcher.printers.base import PrinterError, PrinterSetupError, PrinterState, PrinterStatus
from layerwatch_watcher.printers.http import mapping
from layerwatch_watcher.printers.live import LiveLink
from layerwatch_watcher.printers.moonraker import LOGIN_HINT, Moonraker, others, status_of
from layerwatch_watcher.waiting import within

# Durations and progress change four times a second; they are asked for, not subscribed to.
_SUBSCRIBED: dict[str, Optional[list[str]]] = {
    "webhooks": ["state", "state_message"],
    "print_stats": ["state", "filename", "message", "info"],
    "pause_resume": ["is_paused"],
}
_ASKED: dict[str, Optional[list[str]]] = {
    **_SUBSCRIBED,
    "print_stats": [*(_SUBSCRIBED["print_stats"] or ()), "print_duration", "total_duration"],
    "virtual_sdcard": ["progress"],
}
_REFRESH_INTERVAL_S = 30.0
"""Seconds between full queries: durations are not pushed, and a change may be lost."""


class MoonrakerSocket(Moonraker):
    """A printer behind Moonraker, listened to over a WebSocket. Arguments as for `Moonraker`."""

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        lamp: str = "",
        client: Optional[httpx.AsyncClient] = None,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        super().__init__(url, key, lamp=lamp, client=client, tls=tls)
        self._tls = tls
        parts = urlsplit(self.base)
        scheme = "wss" if parts.scheme == "https" else "ws"
        self._socket_url = urlunsplit((scheme, parts.netloc, parts.path + "/websocket", "", ""))
        self._socket_headers = {"X-Api-Key": key} if key else {}
        self._link = LiveLink(f"Moonraker at {self.base}", self._serve)
        self._objects: dict[str, dict[str, Any]] = {}
        self._job: Optional[str] = None
        self._klippy_ready = False
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._connection: Optional[ClientConnection] = None
        self._asked_at = 0.0

    async def status(self) -> PrinterStatus:
        """What Moonraker sent last; everything is asked for again at times."""
        await self._link.ready()
        if not self._klippy_ready:
            return PrinterStatus(PrinterState.OFFLINE, message="Klipper is not connected")
        now = asyncio.get_running_loop().time()
        stats, paused = self._objects.get("print_stats", {}), self._objects.get("pause_resume", {})
        printing = stats.get("state") == "printing"
        # While it heats, and while its two flags disagree, the print time shows what is so.
        urgent = printing and (not stats.get("print_duration") or paused.get("is_paused"))
        if urgent or now - self._asked_at > _REFRESH_INTERVAL_S:
            self._merge(mapping(await self._rpc("printer.objects.query", {"objects": _ASKED})).get("status"))
            self._asked_at = now
        return status_of(self._objects, self._job)

    async def _serve(self) -> None:
        try:
            async with connect(
                self._socket_url,
                additional_headers=self._socket_headers,
                open_timeout=10,
                max_size=4_000_000,
                ssl=self._tls if self._socket_url.startswith("wss:") else None,
            ) as connection:
                self._connection = connection
                reading = asyncio.ensure_future(self._read(connection))
                setup = asyncio.ensure_future(self._set_up())
                try:
                    await asyncio.wait((reading, setup), return_when=asyncio.FIRST_COMPLETED)
                    if setup.done():
                        setup.result()
                    await reading
                finally:
                    reading.cancel()
                    setup.cancel()
                    await asyncio.gather(reading, setup, return_exceptions=True)
        except InvalidStatus as error:
            if error.response.status_code in (401, 403):
                await self._call("GET", "/server/info")  # raises if the host does not run Moonraker
                raise PrinterSetupError(
                    f"Moonraker at {self.base} refuses the login",
                    LOGIN_HINT,
                ) from None
            raise PrinterError(f"{self.base} has no Moonraker WebSocket", "check the port: 7125") from None
        except InvalidHandshake:
            raise PrinterError(f"{self.base} has no Moonraker WebSocket", "check the port: 7125") from None
        except (asyncio.TimeoutError, WebSocketException, OSError) as error:
            what, hint = explain(error, self.base)
            raise PrinterError(what, hint) from None
        finally:
            self._connection = None
            self._link.broke_off(self._answers)

    async def _read(self, connection: ClientConnection) -> None:
        async for message in connection:
            self._heard(message)

    async def _set_up(self) -> None:
        """Find out whether Klipper is there, and subscribe. Again whenever Klipper comes back."""
        info = mapping(await self._rpc("server.info", {}))
        self._klippy_ready = info.get("klippy_state") in ("ready", "shutdown", "error")
        if info.get("klippy_state") != "ready":
            self._objects["webhooks"] = {"state": info.get("klippy_state"), "state_message": ""}
            self._link.up()
            return
        listed = mapping(await self._rpc("printer.objects.list", {})).get("objects")
        wanted = {**_SUBSCRIBED, **others(listed)}
        self._objects = {}
        self._merge(mapping(await self._rpc("printer.objects.subscribe", {"objects": wanted})).get("status"))
        self._merge(mapping(await self._rpc("printer.objects.query", {"objects": _ASKED})).get("status"))
        await self._find_job()
        self._link.up()

    async def _find_job(self) -> None:
        try:
            found = mapping(await self._rpc("server.history.list", {"limit": 1, "order": "desc"})).get("jobs")
        except PrinterError:
            return  # the history component is not loaded; prints are distinguished by their time
        newest = mapping(found[0]) if isinstance(found, list) and found else {}
        if newest.get("status") == "in_progress":
            self._job = str(newest.get("job_id"))

    def _heard(self, message: object) -> None:
        try:
            answered = mapping(json.loads(message))  # type: ignore[arg-type]
        except (ValueError, TypeError):
            return
        answer = self._answers.pop(answered["id"], None) if isinstance(answered.get("id"), int) else None
        if answer is not None and not answer.done():
            if "error" in answered:
                answer.set_exception(self._refused(mapping(answered["error"])))
            else:
                answer.set_result(answered.get("result"))
            return
        method, params = answered.get("method"), answered.get("params")
        first = params[0] if isinstance(params, list) and params else None
        if method == "notify_status_update":
            self._merge(first)
        elif method == "notify_history_changed":
            change = mapping(first)
            if change.get("action") == "added":
                self._job = str(mapping(change.get("job")).get("job_id"))
                self._objects.get("print_stats", {}).update(print_duration=0.0, total_duration=0.0)
        elif method == "notify_klippy_ready":
            # Its failure shows in the next status; the connection itself is fine.
            asyncio.ensure_future(self._set_up()).add_done_callback(_look_at)
        elif method == "notify_klippy_shutdown":
            self._objects["webhooks"] = {"state": "shutdown", "state_message": "Klipper has shut down"}
        elif method == "notify_klippy_disconnected":
            self._klippy_ready = False

    def _refused(self, error: dict[str, Any]) -> PrinterError:
        message = str(error.get("message"))
        if error.get("code") == 401 or "unauthorized" in message.lower():
            return PrinterSetupError(f"Moonraker at {self.base} refuses the login", LOGIN_HINT)
        return PrinterError(f"Moonraker at {self.base}: {message[:200]}")

    def _merge(self, changes: object) -> None:
        for name, values in mapping(changes).items():
            self._objects.setdefault(name, {}).update(mapping(values))

    async def _rpc(self, method: str, params: dict[str, Any]) -> Any:
        connection = self._connection
        if connection is None:
            raise PrinterError(f"Moonraker at {self.base} is not connected")
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            call = {"jsonrpc": "2.0", "method": method, "params": params, "id": number}
            await connection.send(json.dumps(call))
            return await within(answer, 10)
        except (asyncio.TimeoutError, WebSocketException):
            raise PrinterError(f"Moonraker at {self.base} did not answer {method}") from None
        finally:
            self._answers.pop(number, None)

    async def close(self) -> None:
        """End the connection."""
        await self._link.close()
        await super().close()


def _look_at(task: asyncio.Future[None]) -> None:
    if not task.cancelled():
        task.exception()
