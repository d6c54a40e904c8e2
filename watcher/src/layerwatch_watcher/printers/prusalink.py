"""Prusa printers, through PrusaLink's HTTP API, version 1 (the OpenAPI document of Prusa-Link-Web)."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import httpx

from layerwatch_watcher.printers.base import (
    NotSupported,
    PrinterError,
    PrinterSetupError,
    PrinterState,
    PrinterStatus,
    degrees,
    fraction,
    refined,
    seconds,
)
from layerwatch_watcher.printers.http import PrinterHttp, Refused, mapping

_STATES = {
    "IDLE": PrinterState.IDLE,
    "READY": PrinterState.IDLE,
    "BUSY": PrinterState.PREPARING,
    "PRINTING": PrinterState.PRINTING,
    "PAUSED": PrinterState.PAUSED,
    "ATTENTION": PrinterState.ATTENTION,
    "FINISHED": PrinterState.FINISHED,
    "STOPPED": PrinterState.CANCELLED,
    "ERROR": PrinterState.ERROR,
}

NO_JOB = 2147483647
"""A job number that no printer reaches."""


class PrusaLink:
    """A Prusa printer with PrusaLink switched on.

    user, password: from the printer's menu, Settings → Network → PrusaLink; the user is mostly `maker`.
    key: an API key instead, for the PrusaLink that runs on a Raspberry Pi.
    """

    def __init__(
        self,
        url: str,
        user: str = "maker",
        password: str = "",
        *,
        key: str = "",
        client: Optional[httpx.AsyncClient] = None,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        if not key and not password:
            raise PrinterSetupError(
                "PrusaLink needs a password",
                "it is in the printer's menu: Settings → Network → PrusaLink",
            )
        self._http = PrinterHttp(
            "PrusaLink",
            url,
            headers={"X-Api-Key": key} if key else {},
            auth=None if key else httpx.DigestAuth(user, password),
            client=client,
            tls=tls,
            login_hint="user and password are in the printer's menu: Settings → Network → PrusaLink",
            control_hint="use the user and password of the printer's menu: Settings → Network → PrusaLink",
        )
        self._file: tuple[Optional[str], Optional[str]] = (None, None)

    async def status(self) -> PrinterStatus:
        """One GET of the status, and one of the job when that is a new one."""
        answer = mapping(await self._http.json("GET", "/api/v1/status"))
        printer, job = mapping(answer.get("printer")), mapping(answer.get("job"))
        text = printer.get("state")
        if not isinstance(text, str):
            raise PrinterError(
                f"{self._http.base} is not PrusaLink: its answer has no state", "check the address"
            )
        state = _STATES.get(text, PrinterState.IDLE)
        number = job.get("id")
        if state is PrinterState.PREPARING and number is None:
            state = PrinterState.IDLE  # busy with something other than a print
        if state is PrinterState.ATTENTION and number is None:
            state = PrinterState.IDLE
        name = None if number is None else str(number)
        if name != self._file[0]:
            self._file = (name, await self._file_of(name))
        progress = fraction(job.get("progress"), 100.0)
        now, target = degrees(printer.get("temp_nozzle")), degrees(printer.get("target_nozzle"))
        nozzles = [] if now is None or target is None else [(now, target)]
        return PrinterStatus(
            refined(state, progress=progress, nozzles=nozzles, bed=degrees(printer.get("target_bed"))),
            job=name,
            file=self._file[1],
            progress=progress,
            elapsed=seconds(job.get("time_printing")),
            message=text if state is PrinterState.ATTENTION else "",
        )

    async def _file_of(self, job: Optional[str]) -> Optional[str]:
        if job is None:
            return None
        file = mapping(mapping(await self._http.json("GET", "/api/v1/job")).get("file"))
        found = file.get("display_name") or file.get("name")
        return found if isinstance(found, str) else None

    async def pause(self) -> None:
        """Pause the job."""
        await self._job("PUT", "/pause")

    async def resume(self) -> None:
        """Go on with the job."""
        await self._job("PUT", "/resume")

    async def cancel(self) -> None:
        """Stop the job."""
        await self._job("DELETE", "")

    async def _job(self, method: str, what: str) -> None:
        number = mapping(mapping(await self._http.json("GET", "/api/v1/status")).get("job")).get("id")
        if number is None:
            raise PrinterError("PrusaLink has no print under way", refused=True)
        try:
            await self._http.json(method, f"/api/v1/job/{number}{what}")
        except Refused as error:
            # 409 says that the job is not in a state for this: paused already, or over.
            if error.status != 409:
                raise
            if not (what == "/pause" and (await self.status()).state.standing):
                raise PrinterError(
                    "PrusaLink cannot do that now: the printer is busy, or asks a question on its screen",
                    "check the printer's screen",
                    refused=True,
                ) from None

    async def gcode(self, lines: Sequence[str]) -> None:
        """Raises NotSupported: PrusaLink accepts no G-code."""
        raise NotSupported("PrusaLink does not accept G-code", "choose pause or cancel for this printer")

    async def heaters_off(self) -> None:
        """Raises NotSupported: PrusaLink accepts no G-code."""
        raise NotSupported(
            "PrusaLink does not accept G-code, so its heaters cannot be switched off",
            "set heaters_off_after = false; the printer itself switches them off when it is paused for long",
        )

    async def heater_targets(self) -> Mapping[str, float]:
        """Of nozzle and bed."""
        printer = mapping(mapping(await self._http.json("GET", "/api/v1/status")).get("printer"))
        targets = {name: degrees(printer.get(f"target_{name}")) for name in ("nozzle", "bed")}
        return {name: target for name, target in targets.items() if target is not None}

    async def check_control(self) -> None:
        """Pause a job that does not exist: only the login is checked."""
        with contextlib.suppress(Refused):  # 404 or 409: this login would have been heard
            await self._http.json("PUT", f"/api/v1/job/{NO_JOB}/pause")

    async def light(self, on: bool) -> None:
        """Raises NotSupported: PrusaLink cannot switch a light."""
        raise NotSupported("PrusaLink cannot switch a light", "remove the light setting of this printer")

    async def cameras(self) -> list[dict[str, Any]]:
        """PrusaLink's cameras; the printers with built-in PrusaLink have none."""
        try:
            found = mapping(await self._http.json("GET", "/api/v1/cameras")).get("camera_list")
        except Refused as error:
            if error.status == 404:
                return []
            raise
        return [mapping(camera) for camera in found] if isinstance(found, list) else []

    @property
    def base(self) -> str:
        """PrusaLink's address, without secrets."""
        return self._http.base

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()
