"""Bambu Lab printers in the local network, by MQTT over TLS.

Needs the package `aiomqtt` (extra `layerwatch-watcher`). Bambu publishes no description of this protocol;
it is known from the work of the OpenBambuAPI project and of the Home Assistant integration. Newer firmware
takes commands only in "LAN only" mode with "developer mode" switched on; reading works in any mode.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

import aiomqtt

from layerwatch_watcher.cameras.bambu import USER, tls_context
from layerwatch_watcher.mqtt import MqttClient
from layerwatch_watcher.printers.bambu_codes import (
    COMMANDS_REFUSED,
    DEVELOPER_HINT,
    developer_mode,
    hms_entries,
    hms_text,
)
from layerwatch_watcher.printers.bambu_report import extruders_of, status_of
from layerwatch_watcher.printers.base import (
    NotSupported,
    PrinterError,
    PrinterSetupError,
    PrinterStatus,
    degrees,
)
from layerwatch_watcher.printers.http import mapping
from layerwatch_watcher.printers.live import LiveLink
from layerwatch_watcher.waiting import within

PORT = 8883

_CONFIRMED_WITHIN_S = 10.0
REFRESH_INTERVAL_S = 30.0
"""Printers report every few seconds; one that has been silent for so long is asked for everything."""
RECONNECT_S = 90.0
"""A printer that does not answer that either is reconnected."""


class Bambu:
    """A Bambu Lab printer.

    host: its address in the local network.  serial: its serial number.  code: its LAN access code.
    certificate: a PEM file with the printer's own certificate, to be sure that it is this printer that is
        talked to; without it any certificate is taken, because each printer signs its own.
    connect: makes the MQTT client, as aiomqtt's.
    """

    def __init__(
        self,
        host: str,
        serial: str,
        code: str,
        *,
        port: int = PORT,
        certificate: Optional[str] = None,
        connect: Callable[..., MqttClient] = MqttClient,
    ) -> None:
        if not serial or not code:
            raise PrinterSetupError(
                "a Bambu printer needs its serial number and its access code",
                "both are on its screen: Settings → Device, and Settings → Network (LAN access code)",
            )
        self._host = host
        self._port = port
        self._serial = serial.strip().upper()  # topics are case-sensitive, and serials have no small letters
        self._connect = connect
        self._code = code
        self._tls: ssl.SSLContext = tls_context(certificate)
        self._link = LiveLink(f"the printer at {host}", self._serve, self._silence)
        self._heard_at = self._asked_at = 0.0
        self._report: dict[str, Any] = {}
        self._client: Optional[MqttClient] = None
        self._numbers = itertools.count(1)
        self._confirmations: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def status(self) -> PrinterStatus:
        """What the printer reported last. Reports of most models hold changes only; they are put together."""
        await self._link.ready()
        now = asyncio.get_running_loop().time()
        age = now - self._heard_at
        if age > RECONNECT_S:
            await self._link.close()  # the next call reconnects
        elif age > REFRESH_INTERVAL_S and now - self._asked_at > REFRESH_INTERVAL_S:
            await self._ask_for_everything()
        return status_of(self._report, age=age if age > REFRESH_INTERVAL_S else 0.0)

    async def _ask_for_everything(self) -> None:
        self._asked_at = asyncio.get_running_loop().time()
        with contextlib.suppress(aiomqtt.MqttError, asyncio.TimeoutError):
            await within(
                self._publish({"pushing": {"sequence_id": "0", "command": "pushall"}}), _CONFIRMED_WITHIN_S
            )

    def _silence(self) -> Optional[PrinterError]:
        """What it means that no report has come; None without a connection."""
        if self._client is None:
            return None
        return PrinterError(
            f"the printer at {self._host} takes the login, but reports nothing under the serial number "
            f"{self._serial}",
            "check the serial number (on its screen: Settings → Device); if it is right, restart the printer",
        )

    async def _serve(self) -> None:
        try:
            async with self._connect(
                self._host,
                self._port,
                username=USER,
                password=self._code,
                tls_context=self._tls,
                keepalive=30,
                timeout=10,
            ) as client:
                await client.subscribe(f"device/{self._serial}/report")
                self._client = client
                self._report = {}
                await self._ask_for_everything()
                async for message in client.messages:
                    self._heard(message.payload)
        except aiomqtt.MqttCodeError as error:
            if error.rc in (4, 5, 134, 135) or "authori" in str(error).lower():
                raise PrinterSetupError(
                    f"the printer at {self._host} refuses the access code",
                    "it is on its screen, Settings → Network, and changes when it is renewed there",
                ) from None
            raise PrinterError(f"the printer at {self._host} closed the connection") from None
        except aiomqtt.MqttError as error:
            raise self._plain(error) from None
        finally:
            self._client = None
            self._link.broke_off(self._confirmations)

    def _plain(self, error: aiomqtt.MqttError) -> PrinterError:
        text = str(error).lower()
        if "certificate" in text:
            return PrinterSetupError(
                f"the printer at {self._host} shows another certificate than the one given",
                "fetch it again, if you are sure that it is your printer",
            )
        if "refused" in text and "connection" in text:
            return PrinterError(
                f"nothing listens at {self._host}, port {self._port}",
                "see that the printer is on; check the address",
            )
        if "name or service" in text or "getaddrinfo" in text:
            return PrinterError(f"the name {self._host} is not known", "use the printer's IP address")
        if "not authorized" in text or "bad user" in text:
            return PrinterSetupError(
                f"the printer at {self._host} refuses the access code",
                "it is on its screen, Settings → Network, and changes when it is renewed there",
            )
        return PrinterError(
            f"no connection with the printer at {self._host}",
            "see that it is switched on and in the same network",
        )

    def _heard(self, payload: object) -> None:
        try:
            message = mapping(json.loads(payload))  # type: ignore[arg-type]
        except (ValueError, TypeError, RecursionError):
            return
        for part in ("print", "system"):
            answer = mapping(message.get(part))
            waiting = self._confirmations.get(str(answer.get("sequence_id")))
            if waiting is not None and "result" in answer and not waiting.done():
                waiting.set_result(answer)
        report = mapping(message.get("print"))
        self._heard_at = asyncio.get_running_loop().time()
        if COMMANDS_REFUSED in hms_entries(report):
            for waiting in self._confirmations.values():
                if not waiting.done():
                    waiting.set_exception(self._no_developer_mode("the command"))
        if report.get("command", "push_status") == "push_status" and report:
            self._report.update(report)
            if "gcode_state" in self._report:
                self._link.up()

    async def _publish(self, request: dict[str, Any]) -> None:
        assert self._client is not None
        await self._client.publish(f"device/{self._serial}/request", json.dumps(request), qos=1)

    async def _command(self, part: str, command: str, **values: object) -> None:
        """Send a command and wait until the printer confirms it."""
        await self._link.ready()
        if self._client is None:
            raise PrinterError(f"the printer at {self._host} is not connected at the moment")
        number = str(next(self._numbers))
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._confirmations[number] = waiting
        try:
            await self._publish({part: {"sequence_id": number, "command": command, **values}})
            answer = await within(waiting, _CONFIRMED_WITHIN_S)
        except (asyncio.TimeoutError, aiomqtt.MqttError):
            if developer_mode(self._report) is False:
                raise self._no_developer_mode(command) from None
            raise PrinterError(
                f"the printer at {self._host} did not confirm {command}",
                f"it may be busy; or {DEVELOPER_HINT}",
            ) from None
        finally:
            self._confirmations.pop(number, None)
        if str(answer.get("result")).lower() != "success":
            reason = str(answer.get("reason") or "no reason given")[:200]
            raise PrinterError(f"the printer refuses {command}: {reason}", DEVELOPER_HINT, refused=True)

    def _no_developer_mode(self, command: str) -> PrinterSetupError:
        return PrinterSetupError(
            f"the printer at {self._host} did not carry {command} out: {hms_text(COMMANDS_REFUSED)}",
            DEVELOPER_HINT,
        )

    async def pause(self) -> None:
        """Pause the print, unless it is paused."""
        if not (await self.status()).state.standing:
            await self._command("print", "pause", param="")

    async def resume(self) -> None:
        """Go on with the print."""
        await self._command("print", "resume", param="")

    async def cancel(self) -> None:
        """Stop the print."""
        await self._command("print", "stop", param="")

    async def gcode(self, lines: Sequence[str]) -> None:
        """Run G-code."""
        await self._command("print", "gcode_line", param="\n".join(lines) + "\n")

    async def heaters_off(self) -> None:
        """M104 for every nozzle, M140 for the bed."""
        nozzles = range(len(extruders_of(self._report)))
        await self.gcode(["M104 S0", *(f"M104 T{n} S0" for n in nozzles if len(nozzles) > 1), "M140 S0"])

    async def heater_targets(self) -> Mapping[str, float]:
        """Of the nozzles and the bed, as reported. Raises NotSupported if they are not."""
        await self._link.ready()
        found = {
            "nozzle": degrees(self._report.get("nozzle_target_temper")),
            "bed": degrees(self._report.get("bed_target_temper")),
        }
        extruders = extruders_of(self._report)
        if len(extruders) > 1:  # the target is in the upper half of the number
            found.update({f"nozzle {n}": float(packed >> 16) for n, packed in enumerate(extruders)})
        targets = {name: target for name, target in found.items() if target is not None}
        if not targets:
            raise NotSupported("the printer reports no heater targets")
        return targets

    async def check_control(self) -> None:
        """From the report: whether developer mode is on. NotSupported where the firmware has no such mode."""
        await self._link.ready()
        allowed = developer_mode(self._report)
        if allowed is None:
            raise NotSupported("this firmware does not report developer mode")
        if not allowed:
            raise PrinterSetupError(
                f"the printer at {self._host} rejects commands from other programs: developer mode is off",
                DEVELOPER_HINT,
            )

    async def light(self, on: bool) -> None:
        """Switch the chamber light."""
        await self._command(
            "system",
            "ledctrl",
            led_node="chamber_light",
            led_mode="on" if on else "off",
            led_on_time=500,
            led_off_time=500,
            loop_times=0,
            interval_time=0,
        )

    async def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(aiomqtt.MqttError):
            await self._link.close()
