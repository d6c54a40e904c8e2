"""Home Assistant, by MQTT discovery: each printer becomes a device there, without a line of YAML.

What was seen of a print is withdrawn when it no longer holds: at the print's end, while nothing is
seen, and before an orderly disconnect.

Sensors for quality, score, likely failure and the printer's state; binary sensors for warning and pause; a
camera with what was seen marked in it; a switch for the watching; a button "false alarm". Needs aiomqtt
(extra `layerwatch-watcher`); marks need Pillow. Topics as in Home Assistant's "MQTT" integration.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import ssl
from typing import Any, Optional, Protocol

import aiomqtt

from layerwatch_sdk.models import Inspection
from layerwatch_watcher.mqtt import MqttClient
from layerwatch_watcher.notifications.event import DeliveryError
from layerwatch_watcher.notifications.homeassistant_discovery import discovery
from layerwatch_watcher.notifications.marks import marked
from layerwatch_watcher.printers.base import PrinterStatus
from layerwatch_watcher.waiting import within
from layerwatch_watcher.watching.print_session import Look
from layerwatch_watcher.watching.verdicts import VERDICTS

log = logging.getLogger("layerwatch_watcher")

SERVICE_NAME = "Home Assistant"
FIRST_RETRY_S, MAX_RETRY_S = 2.0, 60.0
"""Seconds before connecting again, doubled at every failure. Chosen, not tuned."""
WITHDRAW_S = 3.0
"""How long an orderly end waits for the broker."""
ONLINE, OFFLINE = "online", "offline"


class Watching(Protocol):
    """What is needed of a `PrintWatcher`."""

    name: str
    enabled: bool

    @property
    def seen(self) -> bool: ...

    @property
    def reported(self) -> Optional[PrinterStatus]: ...

    def feedback(self, verdict: str, who: str) -> bool: ...

    async def set_enabled(self, enabled: bool, who: str) -> None: ...


class HomeAssistant:
    """The link to an MQTT broker. `run` keeps it up; `show` hands it what was seen.

    prefix: Home Assistant's discovery prefix.  base: where our own topics begin.
    """

    def __init__(
        self,
        host: str,
        port: int = 1883,
        *,
        user: str = "",
        password: str = "",
        tls: bool = False,
        prefix: str = "homeassistant",
        base: str = "layerwatch",
    ) -> None:
        self._host, self._port = host, port
        self._user, self._password = user, password
        self._tls = ssl.create_default_context() if tls else None
        self._prefix, self._base = prefix, base
        self._printers: dict[str, Watching] = {}
        self._topics: dict[str, bytes] = {}
        self._seen: dict[str, dict[str, Inspection]] = {}
        self._news: Optional[asyncio.Queue[str]] = None

    @property
    def name(self) -> str:
        """What to call it in logs."""
        return f"MQTT at {self._host}"

    def add(self, printer: Watching) -> None:
        """Make a device of a printer. Before `run`."""
        slug = re.sub(r"[^a-z0-9]+", "_", printer.name.lower()).strip("_") or "printer"
        name, number = slug, 2
        while slug in self._printers:
            slug, number = f"{name}_{number}", number + 1
        self._printers[slug] = printer
        for topic, payload in discovery(printer.name, slug, self._prefix, self._base).items():
            self._set(topic, json.dumps(payload))
        self.refresh(printer)

    def refresh(self, printer: Watching) -> None:
        """Publish the switch's and the printer's state; withdraw what was seen, if it no longer holds."""
        slug, status = self._slug(printer), printer.reported
        self._set(f"{self._base}/{slug}/watching", "ON" if printer.enabled else "OFF")
        self._set(f"{self._base}/{slug}/printer", status.state.value if status is not None else "unknown")
        if not printer.seen:
            self._unsee(slug)

    def _unsee(self, slug: str) -> None:
        self._seen.pop(slug, None)
        self._set(f"{self._base}/{slug}/seen", OFFLINE)
        self._set(f"{self._base}/{slug}/inspection", json.dumps(NOT_SEEN))

    def show(self, printer: Watching, look: Look) -> None:
        """Publish what was seen, by the camera that sees the lowest quality if there are several.

        A picture that could not be judged changes nothing that was, unless another camera sees the print.
        """
        slug = self._slug(printer)
        self.refresh(printer)
        seen = self._seen.setdefault(slug, {})
        usable = look.inspection is not None and look.condition == "ok"
        if usable and look.inspection is not None:
            seen[look.camera] = look.inspection
        elif len(seen) > 1:
            seen.pop(look.camera, None)
        if not seen:
            return
        worst = min(seen, key=lambda camera: seen[camera].print_quality)
        self._set(f"{self._base}/{slug}/inspection", json.dumps(state_of(seen[worst])))
        self._set(f"{self._base}/{slug}/seen", ONLINE)
        if usable and look.picture is not None and look.camera == worst and look.inspection is not None:
            detail = look.inspection.detail
            self._set(f"{self._base}/{slug}/picture", marked(look.picture, detail.boxes if detail else ()))

    def _slug(self, printer: Watching) -> str:
        return next(slug for slug, known in self._printers.items() if known is printer)

    def _set(self, topic: str, payload: Any) -> None:
        data = payload if isinstance(payload, bytes) else payload.encode()
        if self._topics.get(topic) == data:
            return
        self._topics[topic] = data
        if self._news is not None:
            self._news.put_nowait(topic)

    async def check(self) -> None:
        """Log in at the broker, and leave it. Raises DeliveryError that says in plain words what is wrong."""
        try:
            async with MqttClient(
                self._host,
                self._port,
                username=self._user or None,
                password=self._password or None,
                tls_context=self._tls,
                timeout=10,
            ):
                return
        except aiomqtt.MqttError as error:
            raise DeliveryError(_plain(str(error), f"{self._host}, port {self._port}")) from None

    async def run(self) -> None:
        """Keep the link up until cancelled. All topics are republished after a reconnect."""
        failures = 0
        logged: Optional[str] = None
        while True:
            try:
                await self._serve()
                failures = 0
            except aiomqtt.MqttError as error:
                failures += 1
                if str(error) != logged:
                    log.warning("%s: %s", self.name, error)
                    logged = str(error)
            await asyncio.sleep(min(FIRST_RETRY_S * 2 ** min(failures, 10), MAX_RETRY_S))

    async def _serve(self) -> None:
        status, ends = f"{self._base}/status", False
        async with MqttClient(
            self._host,
            self._port,
            username=self._user or None,
            password=self._password or None,
            tls_context=self._tls,
            will=aiomqtt.Will(status, OFFLINE, qos=1, retain=True),
            timeout=10,
        ) as client:
            self._news = asyncio.Queue()
            await client.subscribe(f"{self._base}/+/watching/set")
            for verdict in VERDICTS:
                await client.subscribe(f"{self._base}/+/{verdict}")
            for topic, payload in list(self._topics.items()):
                await client.publish(topic, payload, retain=True)
            await client.publish(status, ONLINE, qos=1, retain=True)
            both = [
                asyncio.ensure_future(self._talk(client, self._news)),
                asyncio.ensure_future(self._listen(client)),
            ]
            try:
                ended, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            except asyncio.CancelledError:
                ends = True
                raise
            finally:
                self._news = None
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)
                if ends:
                    with contextlib.suppress(aiomqtt.MqttError, asyncio.TimeoutError):
                        await within(self._withdraw(client), WITHDRAW_S)

    async def _withdraw(self, client: MqttClient) -> None:
        """Before an orderly disconnect, for which the broker sends no last will."""
        for slug in self._printers:
            self._unsee(slug)
            for part in ("seen", "inspection"):
                topic = f"{self._base}/{slug}/{part}"
                await client.publish(topic, self._topics[topic], retain=True)
        await client.publish(f"{self._base}/status", OFFLINE, qos=1, retain=True)

    async def _listen(self, client: MqttClient) -> None:
        async for message in client.messages:
            await self._obey(str(message.topic), message.payload)

    async def _talk(self, client: MqttClient, news: asyncio.Queue[str]) -> None:
        while True:
            topic = await news.get()
            await client.publish(topic, self._topics[topic], retain=True)

    async def _obey(self, topic: str, payload: object) -> None:
        parts = topic.split("/")
        printer = self._printers.get(parts[-3] if topic.endswith("/watching/set") else parts[-2])
        if printer is None:
            return
        if topic.endswith("/watching/set"):
            await printer.set_enabled(payload == b"ON", SERVICE_NAME)
            self.refresh(printer)
        elif parts[-1] in VERDICTS:
            printer.feedback(parts[-1], SERVICE_NAME)


NOT_SEEN = {
    "quality": None,
    "score": None,
    "warning": None,
    "pause": None,
    "failure": None,
    "condition": "not seen",
}
"""What the sensors read while nothing is known of the print. Home Assistant shows a None as unknown."""


def state_of(inspection: Inspection) -> dict[str, Any]:
    """What the sensors read."""
    detail = inspection.detail
    return {
        "quality": inspection.print_quality,
        "score": inspection.score,
        "warning": "ON" if inspection.warning_suggested else "OFF",
        "pause": "ON" if inspection.pause_suggested else "OFF",
        "failure": (detail.kind if detail else None) or "none",
        "condition": inspection.condition or "unknown",
    }


def _plain(error: str, place: str) -> str:
    """The MQTT library's complaint in plain words."""
    text = error.lower()
    if "not authori" in text or "bad user name" in text:
        return f"the broker at {place} refuses the login: check user and password"
    if "refused" in text:
        return f"nothing listens at {place}: check host and port, and that the broker runs"
    if "certificate" in text:
        return f"the broker at {place} shows a certificate that is not trusted: use its real name"
    if "name or service" in text or "getaddrinfo" in text or "nodename" in text:
        return f"the name in {place} is not known: check the spelling, or give an IP address"
    if "timed out" in text or "timeout" in text:
        return f"no MQTT broker answers at {place}: check host and port; with TLS say tls = true"
    return f"no MQTT broker answers at {place} ({error[:100]})"
