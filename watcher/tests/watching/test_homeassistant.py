"""Home Assistant finds each printer by itself, sees what was seen, and can switch and answer back."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Callable
from typing import Any, Optional

import aiomqtt
import pytest
from PIL import Image
from watcher.tests.stand_ins.broker import Broker, brokering
from watcher.tests.stand_ins.judge import HEALTHY, PAUSE, inspection

from layerwatch_sdk.models import Box
from layerwatch_watcher.mqtt import MqttClient
from layerwatch_watcher.notifications import homeassistant
from layerwatch_watcher.notifications.homeassistant import HomeAssistant
from layerwatch_watcher.notifications.homeassistant_discovery import discovery
from layerwatch_watcher.notifications.marks import marked
from layerwatch_watcher.printers.base import PrinterState, PrinterStatus
from layerwatch_watcher.watching.print_session import Look
from layerwatch_watcher.watching.verdicts import VERDICTS


class Watched:
    def __init__(self, name: str) -> None:
        self.name = name
        self.enabled = True
        self.seen = True
        self.reported: Optional[PrinterStatus] = PrinterStatus(PrinterState.PRINTING)
        self.commands: list[Any] = []

    def feedback(self, verdict: str, who: str) -> bool:
        self.commands.append((verdict, who))
        return True

    async def set_enabled(self, enabled: bool, who: str) -> None:
        self.enabled = enabled
        self.commands.append((enabled, who))


async def until(true: Callable[[], bool], every: float = 0.01) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(every)


async def test_a_printer_is_announced_shown_and_obeyed() -> None:
    broker = Broker("ha", "pw")
    printer = Watched("Voron 2.4")
    async with brokering(broker):
        home = HomeAssistant("127.0.0.1", broker.port, user="ha", password="pw")
        home.add(printer)
        task = asyncio.ensure_future(home.run())
        await until(lambda: broker.retained.get("layerwatch/status") == b"online")
        configured = json.loads(broker.retained["homeassistant/sensor/layerwatch_voron_2_4/quality/config"])
        assert configured["device"]["name"] == "Voron 2.4"
        home.show(printer, Look(1, 0.0, b"\xff\xd8\xff", inspection(PAUSE)))
        await until(lambda: "layerwatch/voron_2_4/inspection" in broker.retained)
        seen = json.loads(broker.retained["layerwatch/voron_2_4/inspection"])
        assert (seen["quality"], seen["pause"], seen["failure"]) == (1, "ON", "spaghetti")
        await until(lambda: broker.retained.get("layerwatch/voron_2_4/picture") == b"\xff\xd8\xff")
        assert broker.retained["layerwatch/voron_2_4/printer"] == b"printing"

        await broker.publish("layerwatch/voron_2_4/watching/set", b"OFF")
        await until(lambda: broker.retained["layerwatch/voron_2_4/watching"] == b"OFF")
        for verdict in VERDICTS:
            assert f"homeassistant/button/layerwatch_voron_2_4/{verdict}/config" in broker.retained
            await broker.publish(f"layerwatch/voron_2_4/{verdict}", b"PRESS")
        await until(lambda: len(printer.commands) == 1 + len(VERDICTS))
        assert printer.commands == [
            (False, "Home Assistant"),
            *((verdict, "Home Assistant") for verdict in VERDICTS),
        ]

        broker.drop_all()
        await until(lambda: broker.retained["layerwatch/status"] == b"offline")
        await until(lambda: broker.retained["layerwatch/status"] == b"online")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_was_seen_is_withdrawn_when_it_no_longer_holds() -> None:
    broker = Broker("ha", "pw")
    printer = Watched("ender")
    async with brokering(broker):
        home = HomeAssistant("127.0.0.1", broker.port, user="ha", password="pw")
        home.add(printer)
        task = asyncio.ensure_future(home.run())

        def published(part: str) -> Any:
            return broker.retained.get(f"layerwatch/ender/{part}")

        home.show(printer, Look(1, 0.0, b"\xff\xd8\xff", inspection(PAUSE)))
        await until(lambda: published("seen") == b"online")
        assert json.loads(published("inspection"))["pause"] == "ON"
        frozen = inspection(HEALTHY, condition="frozen")
        home.show(printer, Look(2, 0.0, b"\xff\xd8\xff", frozen))
        printer.seen = False
        home.refresh(printer)
        await until(lambda: published("seen") == b"offline")
        await until(lambda: json.loads(published("inspection"))["pause"] is None)
        assert not [
            1
            for topic, payload in broker.messages
            if topic.endswith("inspection") and b'"quality": 9' in payload
        ], "a frozen picture is never shown as fine"
        printer.seen = True
        home.show(printer, Look(3, 0.0, b"\xff\xd8\xff", inspection(PAUSE)))
        await until(lambda: published("seen") == b"online")
        printer.reported = None
        home.refresh(printer)
        await until(lambda: published("printer") == b"unknown")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert published("seen") == b"offline" and json.loads(published("inspection"))["pause"] is None
        assert broker.retained["layerwatch/status"] == b"offline"


@pytest.mark.parametrize("turns", range(6))
async def test_the_link_can_be_cancelled_in_any_turn_of_the_event_loop(turns: int) -> None:
    broker = Broker("ha", "pw")
    async with brokering(broker):
        home = HomeAssistant("127.0.0.1", broker.port, user="ha", password="pw")
        task = asyncio.ensure_future(home.run())
        await until(lambda: "layerwatch/status" in broker.retained, 0)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        assert task.cancelled()


class Breaking(MqttClient):
    """A link on which, while `broken`, one message cannot be sent; it can be heard on all the same."""

    broken = False
    links = 0

    async def __aenter__(self) -> Breaking:
        Breaking.links += 1
        await super().__aenter__()
        return self

    async def publish(self, *arguments: Any, **options: Any) -> None:
        if Breaking.broken:
            Breaking.broken = False
            raise aiomqtt.MqttError("lost")
        await super().publish(*arguments, **options)


async def test_a_link_in_an_unknown_state_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homeassistant, "MqttClient", Breaking)
    broker = Broker("ha", "pw")
    printer = Watched("mk4")
    async with brokering(broker):
        home = HomeAssistant("127.0.0.1", broker.port, user="ha", password="pw")
        home.add(printer)
        task = asyncio.ensure_future(home.run())
        await until(lambda: broker.retained.get("layerwatch/status") == b"online")
        Breaking.broken = True
        home.show(printer, Look(1, 0.0, b"\xff\xd8\xff", inspection(PAUSE)))
        await until(lambda: Breaking.links == 2 and "layerwatch/mk4/picture" in broker.retained)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_every_entity_has_its_own_id_and_a_topic_it_is_read_from() -> None:
    entities = discovery("p", "p", "homeassistant", "layerwatch")
    kinds = [topic.split("/")[1] for topic in entities]
    assert {"sensor", "binary_sensor", "camera", "switch", "button"} <= set(kinds)
    assert len({entity["unique_id"] for entity in entities.values()}) == len(entities)
    for topic, entity in entities.items():
        assert topic.startswith("homeassistant/") and topic.endswith("/config")
        assert {"state_topic", "topic", "command_topic"} & entity.keys()
        assert "object_id" not in entity, "removed in Home Assistant 2026.4"
        assert entity["default_entity_id"].startswith(f"{topic.split('/')[1]}.p_")


async def test_two_printers_whose_names_look_alike_stay_two() -> None:
    broker = Broker("ha", "pw")
    async with brokering(broker):
        home = HomeAssistant("127.0.0.1", broker.port, user="ha", password="pw")
        for name in ("MK4!", "mk4"):
            home.add(Watched(name))
        task = asyncio.ensure_future(home.run())
        both = {"layerwatch/mk4/printer", "layerwatch/mk4_2/printer"}
        await until(lambda: both <= broker.retained.keys())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_what_was_seen_is_marked_in_the_picture() -> None:
    out = io.BytesIO()
    Image.new("RGB", (200, 100), (10, 10, 10)).save(out, "JPEG")
    with Image.open(io.BytesIO(marked(out.getvalue(), [Box("spaghetti", 0.9, 0.5, 0.2, 0.4, 0.6)]))) as image:
        red = image.getpixel((101, 50))
    assert isinstance(red, tuple) and red[0] > 120 and red[1] < 100
    assert marked(out.getvalue(), [Box("spaghetti", 0.1, 0.5, 0.2, 0.4, 0.6)]) == out.getvalue()
