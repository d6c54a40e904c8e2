"""What the Bambu adapter needs of an MQTT client, wired to a simulated printer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Optional

import aiomqtt
from watcher.tests.nights.plant import Plant


class FakeMqtt:
    """What the Bambu adapter needs of an MQTT client, wired to a plant."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._pulse: Optional[asyncio.Task[None]] = None
        self.messages = self._messages()

    async def __aenter__(self) -> FakeMqtt:
        if "host down" in self._plant.faults:
            raise aiomqtt.MqttError("[Errno 111] Connection refused")
        self._plant.links.append(self)
        self._pulse = asyncio.ensure_future(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._plant.links.remove(self)
        if self._pulse is not None:
            self._pulse.cancel()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(10)
            if "host down" in self._plant.faults:
                self._queue.put_nowait(None)
            self.report()

    def report(self) -> None:
        if not {"mute", "host down"} & self._plant.faults:
            self._send({"print": self._plant.bambu_report()})

    def _send(self, message: Any) -> None:
        self._queue.put_nowait(json.dumps(message).encode())

    async def _messages(self) -> AsyncIterator[Any]:
        while True:
            payload = await self._queue.get()
            if payload is None:
                raise aiomqtt.MqttError("Disconnected")
            yield type("Message", (), {"payload": payload})()

    async def subscribe(self, topic: str) -> None:
        pass

    async def publish(self, topic: str, payload: str, qos: int = 0) -> None:
        for part, request in json.loads(payload).items():
            if request["command"] == "pushall":
                self.report()
                continue
            task = asyncio.ensure_future(self._obey(part, request))
            self._plant.tasks.add(task)
            task.add_done_callback(self._plant.tasks.discard)

    async def _obey(self, part: str, request: dict[str, Any]) -> None:
        try:
            if request["command"] == "gcode_line":
                self._plant.heaters(request["param"].split("\n"))
            else:
                await self._plant.order("cancel" if request["command"] == "stop" else request["command"])
        except PermissionError:
            self._send(
                {"print": {"command": "push_status", "hms": [{"attr": 0x05000500, "code": 0x00010007}]}}
            )
            return
        if "mute" not in self._plant.faults:
            self._send({part: {**request, "result": "success"}})
