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
from collections.abc import Sequence
from typing import Any, Optional

import aiomqtt

from layerwatch_watcher.cameras.bambu import USER, tls_context
from layerwatch_watcher.mqtt import Client
from layerwatch_watcher.printers.base import (
    PrinterError,
    PrinterSetupError,
    PrinterState,
    PrinterStatus,
    fraction,
)
from layerwatch_watcher.printers.http import mapping
from layerwatch_watcher.printers.live import LiveLink
from layerwatch_watcher.waiting import within

PORT = 8883

_STATES = {
    "IDLE": PrinterState.IDLE,
    "INIT": PrinterState.OFFLINE,
    "OFFLINE": PrinterState.OFFLINE,
    "SLICING": PrinterState.PREPARING,
    "PREPARE": PrinterState.PREPARING,
    "RUNNING": PrinterState.PRINTING,
    "PAUSE": PrinterState.PAUSED,
    "FINISH": PrinterState.FINISHED,
    "FAILED": PrinterState.ERROR,
}
# `stg_cur` while RUNNING: levelling, heating, sweeping, scanning, homing, cleaning, calibrating, cooling.
_PREPARING_STAGES = frozenset({1, 2, 3, 7, 8, 9, 11, 12, 13, 14, 15, 18, 19, 25, 29})
# `stg_cur` while PAUSE: filament runout, change, loading; front cover off; malfunctions.
_ATTENTION_STAGES = frozenset({4, 6, 17, 20, 21, 22, 23, 24, 26, 27, 28, 32, 33, 34, 35})
# A print stopped by a person ends as FAILED with this code.
_CANCELLED_CODE = 0x0300400C
_CONFIRMED_WITHIN = 10.0


class Bambu:
    """A Bambu Lab printer.

    host: its address in the local network.  serial: its serial number.  code: its LAN access code.
    certificate: a PEM file with the printer's own certificate, to be sure that it is this printer that is
        talked to; without it any certificate is taken, because each printer signs its own.
    """

    def __init__(
        self, host: str, serial: str, code: str, *, port: int = PORT, certificate: Optional[str] = None
    ) -> None:
        if not serial or not code:
            raise PrinterSetupError(
                "a Bambu printer needs its serial number and its access code",
                "both stand on its screen: Settings → Device, and Settings → Network (LAN access code)",
            )
        self._host = host
        self._port = port
        self._serial = serial
        self._code = code
        self._tls: ssl.SSLContext = tls_context(certificate)
        self._link = LiveLink(f"the printer at {host}", self._serve)
        self._report: dict[str, Any] = {}
        self._client: Optional[Client] = None
        self._numbers = itertools.count(1)
        self._confirmations: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def status(self) -> PrinterStatus:
        """What the printer reported last. Reports of most models hold changes only; they are put together."""
        await self._link.ready()
        return status_of(self._report)

    async def _serve(self) -> None:
        try:
            async with Client(
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
                await self._publish({"pushing": {"sequence_id": "0", "command": "pushall"}})
                async for message in client.messages:
                    self._heard(message.payload)
        except aiomqtt.MqttCodeError as error:
            if error.rc in (4, 5, 134, 135) or "authori" in str(error).lower():
                raise PrinterSetupError(
                    f"the printer at {self._host} refuses the access code",
                    "it stands on its screen, Settings → Network, and changes when it is renewed there",
                ) from None
            raise PrinterError(f"the printer at {self._host} broke the connection off") from None
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
                "it stands on its screen, Settings → Network, and changes when it is renewed there",
            )
        return PrinterError(
            f"no connection with the printer at {self._host}",
            "see that it is switched on and in the same network",
        )

    def _heard(self, payload: object) -> None:
        try:
            said = mapping(json.loads(payload))  # type: ignore[arg-type]
        except (ValueError, TypeError, RecursionError):
            return
        for part in ("print", "system"):
            told = mapping(said.get(part))
            waiting = self._confirmations.get(str(told.get("sequence_id")))
            if waiting is not None and "result" in told and not waiting.done():
                waiting.set_result(told)
        report = mapping(said.get("print"))
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
            raise PrinterError(f"the printer at {self._host} is not connected just now")
        number = str(next(self._numbers))
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._confirmations[number] = waiting
        try:
            await self._publish({part: {"sequence_id": number, "command": command, **values}})
            answer = await within(waiting, _CONFIRMED_WITHIN)
        except (asyncio.TimeoutError, aiomqtt.MqttError):
            raise PrinterError(f"the printer at {self._host} did not confirm {command}") from None
        finally:
            self._confirmations.pop(number, None)
        if str(answer.get("result")).lower() != "success":
            reason = str(answer.get("reason") or "no reason given")[:200]
            raise PrinterError(
                f"the printer refuses {command}: {reason}",
                "newer firmware obeys only in LAN-only mode with developer mode on",
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


def status_of(report: dict[str, Any]) -> PrinterStatus:
    """What a printer's put-together report means."""
    state = _STATES.get(str(report.get("gcode_state")), PrinterState.IDLE)
    stage = report.get("stg_cur")
    if state is PrinterState.PRINTING and stage in _PREPARING_STAGES:
        state = PrinterState.PREPARING
    elif state is PrinterState.PAUSED and stage in _ATTENTION_STAGES:
        state = PrinterState.ATTENTION
    error = report.get("print_error")
    if state is PrinterState.ERROR and error in (_CANCELLED_CODE, 0, None):
        state = PrinterState.CANCELLED
    # Local prints have task and subtask 0; then the start time tells prints apart, where it is reported.
    parts = [str(report.get(name) or "0") for name in ("task_id", "subtask_id", "gcode_start_time")]
    job = "-".join(parts)
    name = report.get("subtask_name") or report.get("gcode_file")
    return PrinterStatus(
        state,
        job=None if set(parts) == {"0"} else job,
        file=str(name) if name else None,
        progress=fraction(report.get("mc_percent"), 100.0),
        message=f"error {error:08X}" if state is PrinterState.ERROR and isinstance(error, int) else "",
    )
