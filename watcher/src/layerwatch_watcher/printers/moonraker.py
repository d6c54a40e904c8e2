"""Klipper behind Moonraker, through its HTTP API (moonraker.readthedocs.io, "Printer" and "Webcam")."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import httpx

from layerwatch_watcher.printers.base import (
    NotSupported,
    PrinterError,
    PrinterState,
    PrinterStatus,
    fraction,
    seconds,
)
from layerwatch_watcher.printers.http import PrinterHttp, Refused, mapping

_STATES = {
    "standby": PrinterState.IDLE,
    "printing": PrinterState.PRINTING,
    "paused": PrinterState.PAUSED,
    "complete": PrinterState.FINISHED,
    "cancelled": PrinterState.CANCELLED,
    "error": PrinterState.ERROR,
}

LOGIN_HINT = "trust this machine in moonraker.conf, [authorization] trusted_clients; or give its API key"

OBJECTS: dict[str, Optional[list[str]]] = {
    "webhooks": ["state", "state_message"],
    "print_stats": ["state", "filename", "message", "print_duration", "total_duration"],
    "virtual_sdcard": ["progress"],
    "pause_resume": ["is_paused"],
}
"""The Klipper objects that say how a print goes."""


def status_of(
    objects: Mapping[str, Any], sensors: Sequence[str] = (), job: Optional[str] = None
) -> PrinterStatus:
    """What Klipper's objects mean. `sensors`: names of its filament sensors."""
    webhooks = mapping(objects.get("webhooks"))
    if webhooks.get("state") in ("shutdown", "error"):
        return PrinterStatus(PrinterState.ERROR, message=_text(webhooks.get("state_message")))
    if webhooks.get("state") == "startup":
        return PrinterStatus(PrinterState.OFFLINE, message="Klipper is starting")
    stats = mapping(objects.get("print_stats"))
    state = _STATES.get(str(stats.get("state")), PrinterState.IDLE)
    if state is PrinterState.PRINTING and mapping(objects.get("pause_resume")).get("is_paused"):
        state = PrinterState.PAUSED
    if state is PrinterState.PAUSED and any(_is_out(objects.get(name)) for name in sensors):
        state = PrinterState.ATTENTION
    # print_duration counts from the first extrusion: a print that heats and levels has none yet.
    printing = seconds(stats.get("print_duration"))
    if state is PrinterState.PRINTING and printing == 0.0:
        state = PrinterState.PREPARING
    return PrinterStatus(
        state,
        job=job,
        file=_text(stats.get("filename")) or None,
        progress=fraction(mapping(objects.get("virtual_sdcard")).get("progress")),
        elapsed=seconds(stats.get("total_duration")),
        message=_text(stats.get("message")),
    )


def _is_out(sensor: object) -> bool:
    found = mapping(sensor)
    return bool(found.get("enabled", True)) and found.get("filament_detected") is False


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


class Moonraker:
    """A printer behind Moonraker, asked over HTTP.

    url: like http://voron.local or http://voron.local:7125.  key: only where Moonraker asks for one.
    lamp: a device of Moonraker's [power] section that lights the print, if there is one.
    """

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        lamp: str = "",
        client: Optional[httpx.AsyncClient] = None,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        self._http = PrinterHttp(
            "Moonraker",
            url,
            headers={"X-Api-Key": key} if key else {},
            client=client,
            tls=tls,
            login_hint=LOGIN_HINT,
        )
        self._lamp = lamp
        self._sensors: Optional[list[str]] = None

    async def status(self) -> PrinterStatus:
        """One query of Klipper's objects."""
        try:
            if self._sensors is None:
                self._sensors = await self._find_sensors()
            wanted = [*OBJECTS, *self._sensors]
            answer = await self._call("GET", "/printer/objects/query", params=dict.fromkeys(wanted, ""))
        except Refused as error:
            if error.status == 503:
                self._sensors = None
                return PrinterStatus(PrinterState.OFFLINE, message="Klipper is not connected")
            raise
        return status_of(mapping(mapping(answer).get("status")), self._sensors)

    async def _find_sensors(self) -> list[str]:
        found = mapping(await self._call("GET", "/printer/objects/list")).get("objects")
        names = found if isinstance(found, list) else []
        return [
            name
            for name in names
            if str(name).startswith(("filament_switch_sensor ", "filament_motion_sensor "))
        ]

    async def pause(self) -> None:
        """Run Klipper's PAUSE, unless it is paused already."""
        if not (await self.status()).state.standing:
            await self._call("POST", "/printer/print/pause")

    async def resume(self) -> None:
        """Run Klipper's RESUME."""
        await self._call("POST", "/printer/print/resume")

    async def cancel(self) -> None:
        """Run Klipper's CANCEL_PRINT."""
        await self._call("POST", "/printer/print/cancel")

    async def gcode(self, lines: Sequence[str]) -> None:
        """Run G-code or macros."""
        await self._call("POST", "/printer/gcode/script", params={"script": "\n".join(lines)})

    async def light(self, on: bool) -> None:
        """Switch the lamp. Raises NotSupported if none was named."""
        if not self._lamp:
            raise NotSupported(
                "no lamp is named for this printer", "set lamp to a [power] device of Moonraker"
            )
        params = {"device": self._lamp, "action": "on" if on else "off"}
        await self._call("POST", "/machine/device_power/device", params=params)

    async def webcams(self) -> list[dict[str, Any]]:
        """Moonraker's webcams, as configured in Mainsail or Fluidd."""
        found = mapping(await self._call("GET", "/server/webcams/list")).get("webcams")
        return [mapping(webcam) for webcam in found] if isinstance(found, list) else []

    @property
    def base(self) -> str:
        """Moonraker's address, without anything secret."""
        return self._http.base

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _call(self, method: str, path: str, params: Optional[dict[str, str]] = None) -> Any:
        answer = await self._http.json(method, path, params=params)
        if not isinstance(answer, dict) or "result" not in answer:
            raise PrinterError(
                f"{self._http.base} is not Moonraker: its answer has no result", "check the port: 7125"
            )
        return answer["result"]
