"""Klipper behind Moonraker, through its HTTP API (moonraker.readthedocs.io, "Printer" and "Webcam")."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import httpx

from layerwatch_watcher.printers.base import (
    FINISHING_PROGRESS,
    NotSupported,
    PrinterError,
    PrinterState,
    PrinterStatus,
    count,
    degrees,
    fraction,
    refined,
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
    "print_stats": ["state", "filename", "message", "print_duration", "total_duration", "info"],
    "virtual_sdcard": ["progress"],
    "pause_resume": ["is_paused"],
}
"""The Klipper objects that say how a print goes."""
LAYERS_BEGIN_S = 300.0
"""A slicer that says how many layers there are has begun to count them by then, or never does."""
COMMAND_S = 70.0
"""Moonraker answers a command when its macro is over, which may take as long as parking the head does."""


_EXTRUDER = re.compile(r"extruder\d*$")
_SENSORS = ("filament_switch_sensor ", "filament_motion_sensor ")


def others(listed: object) -> dict[str, list[str]]:
    """Of Klipper's list of objects, the filament sensors and extruders, with the fields that matter."""
    names = [str(name) for name in listed] if isinstance(listed, list) else []
    found = {name: ["enabled", "filament_detected"] for name in names if name.startswith(_SENSORS)}
    return {**found, **{name: ["target"] for name in names if _EXTRUDER.match(name)}}


def status_of(objects: Mapping[str, Any], job: Optional[str] = None) -> PrinterStatus:
    """What Klipper's objects mean."""
    webhooks = mapping(objects.get("webhooks"))
    if webhooks.get("state") in ("shutdown", "error"):
        return PrinterStatus(PrinterState.ERROR, message=_text(webhooks.get("state_message")))
    if webhooks.get("state") == "startup":
        return PrinterStatus(PrinterState.OFFLINE, message="Klipper is starting")
    stats = mapping(objects.get("print_stats"))
    state = _STATES.get(str(stats.get("state")), PrinterState.IDLE)
    disagree = state is PrinterState.PRINTING and bool(mapping(objects.get("pause_resume")).get("is_paused"))
    if disagree:
        state = PrinterState.PAUSED
    if state is PrinterState.PAUSED and any(
        _is_out(objects[name]) for name in objects if name.startswith(_SENSORS)
    ):
        state = PrinterState.ATTENTION
    # print_duration counts from the first extrusion: a print that heats and levels has none yet.
    printing = seconds(stats.get("print_duration"))
    if state is PrinterState.PRINTING and printing == 0.0:
        state = PrinterState.PREPARING
    progress = fraction(mapping(objects.get("virtual_sdcard")).get("progress"))
    info = mapping(stats.get("info"))
    layers, layer = count(info.get("total_layer")), count(info.get("current_layer"))
    if layers and layer is None and (printing or 0.0) < LAYERS_BEGIN_S:
        layer = 0  # the slicer counts layers, and has not begun to
    targets = [degrees(mapping(objects.get(name)).get("target")) for name in objects if _EXTRUDER.match(name)]
    # The temperatures are not asked for: they change four times a second.
    ending = (progress or 0.0) >= FINISHING_PROGRESS
    nozzles = [(target, target) for target in targets if target is not None] if ending else []
    state = refined(state, progress=progress, nozzles=nozzles, layer=layer)
    return PrinterStatus(
        state,
        job=job,
        file=_text(stats.get("filename")) or None,
        progress=progress,
        elapsed=seconds(stats.get("total_duration")),
        message=_text(stats.get("message")),
        print_time=printing if disagree else None,
        layer=layer or None,
        layers=layers or None,
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
        self._others: Optional[dict[str, list[str]]] = None

    async def status(self) -> PrinterStatus:
        """One query of Klipper's objects."""
        try:
            if self._others is None:
                listed = mapping(await self._call("GET", "/printer/objects/list")).get("objects")
                self._others = others(listed)
            wanted = [*OBJECTS, *self._others]
            answer = await self._call("GET", "/printer/objects/query", params=dict.fromkeys(wanted, ""))
        except Refused as error:
            if error.status == 503:
                self._others = None
                return PrinterStatus(PrinterState.OFFLINE, message="Klipper is not connected")
            raise
        return status_of(mapping(mapping(answer).get("status")))

    async def pause(self) -> None:
        """Run Klipper's PAUSE, unless it is paused already.

        Klipper ignores PAUSE while its flag `is_paused` is set; one that is stuck while it prints is cleared.
        """
        found = await self._query({"print_stats": "state", "pause_resume": "is_paused"})
        if mapping(found.get("print_stats")).get("state") == "paused":
            return
        if mapping(found.get("pause_resume")).get("is_paused"):
            await self.gcode(["CLEAR_PAUSE"])
        await self._command("/printer/print/pause")

    async def resume(self) -> None:
        """Run Klipper's RESUME."""
        await self._command("/printer/print/resume")

    async def cancel(self) -> None:
        """Run Klipper's CANCEL_PRINT."""
        await self._command("/printer/print/cancel")

    async def gcode(self, lines: Sequence[str]) -> None:
        """Run G-code or macros."""
        await self._command("/printer/gcode/script", {"script": "\n".join(lines)})

    async def heaters_off(self) -> None:
        """TURN_OFF_HEATERS: every heater that Klipper has."""
        await self.gcode(["TURN_OFF_HEATERS"])

    async def heater_targets(self) -> Mapping[str, float]:
        """The targets of Klipper's heaters. Raises NotSupported if Klipper lists none."""
        listed = mapping(await self._query({"heaters": "available_heaters"})).get("heaters")
        names = mapping(listed).get("available_heaters")
        if not isinstance(names, list) or not names:
            raise NotSupported("Klipper lists no heaters")
        found = await self._query(dict.fromkeys(map(str, names), "target"))
        targets = {name: degrees(mapping(found.get(str(name))).get("target")) for name in map(str, names)}
        return {name: target for name, target in targets.items() if target is not None}

    async def check_control(self) -> None:
        """Moonraker lets who may read command, too; what may be missing is Klipper's PAUSE."""
        listed = mapping(await self._call("GET", "/printer/objects/list")).get("objects")
        if not isinstance(listed, list) or "pause_resume" not in listed:
            raise PrinterError(
                "Klipper has no [pause_resume], so that it cannot pause", "add [pause_resume] to printer.cfg"
            )

    async def _query(self, wanted: dict[str, str]) -> dict[str, Any]:
        answer = await self._call("GET", "/printer/objects/query", params=wanted)
        return mapping(mapping(answer).get("status"))

    async def _command(self, path: str, params: Optional[dict[str, str]] = None) -> None:
        await self._call("POST", path, params, patience=COMMAND_S)

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

    async def _call(
        self,
        method: str,
        path: str,
        params: Optional[dict[str, str]] = None,
        patience: Optional[float] = None,
    ) -> Any:
        answer = await self._http.json(method, path, params=params, patience=patience)
        if not isinstance(answer, dict) or "result" not in answer:
            raise PrinterError(
                f"{self._http.base} is not Moonraker: its answer has no result", "check the port: 7125"
            )
        return answer["result"]
