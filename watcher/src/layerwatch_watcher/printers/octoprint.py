"""OctoPrint, through its REST API (docs.octoprint.org, "Job operations" and "Printer operations")."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import httpx

from layerwatch_watcher.printers.base import (
    FINISHING_PROGRESS,
    WARM_UP_PROGRESS,
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
from layerwatch_watcher.printers.http import ControlRefused, PrinterHttp, Refused, mapping

# The texts of /api/job's `state`, in lower case, by their beginnings; the longer ones first.
_STATES = (
    ("printing", PrinterState.PRINTING),
    ("resuming", PrinterState.PAUSED),
    ("pausing", PrinterState.PAUSED),
    ("paused", PrinterState.PAUSED),
    ("finishing", PrinterState.FINISHING),
    ("cancelling", PrinterState.CANCELLED),
    ("starting", PrinterState.PREPARING),
    ("sending file to sd", PrinterState.IDLE),
    ("transferring", PrinterState.IDLE),
    ("operational", PrinterState.IDLE),
    ("error", PrinterState.ERROR),
    ("offline after error", PrinterState.ERROR),
    ("offline", PrinterState.OFFLINE),
    ("detecting", PrinterState.OFFLINE),
    ("connecting", PrinterState.OFFLINE),
    ("opening", PrinterState.OFFLINE),
    ("closed", PrinterState.OFFLINE),
)

CONTROL_HINT = (
    "give the key's user the permissions PRINT and CONTROL: OctoPrint, Settings → Access Control; or make an "
    "application key as a user who has them"
)
MAX_TOOLS = 8
"""Tools that are switched off where OctoPrint does not say how many there are."""


class OctoPrint:
    """A printer behind OctoPrint.

    url: like http://octopi.local.  key: an API key with the permissions STATUS, PRINT and CONTROL; an
    application key from OctoPrint's settings has them.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        client: Optional[httpx.AsyncClient] = None,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        if not key:
            raise PrinterSetupError(
                "OctoPrint needs an API key", "make one in OctoPrint: Settings → Application Keys"
            )
        self._http = PrinterHttp(
            "OctoPrint",
            url,
            headers={"X-Api-Key": key},
            client=client,
            tls=tls,
            login_hint="make a new key in OctoPrint: Settings → Application Keys",
            control_hint=CONTROL_HINT,
        )

    async def status(self) -> PrinterStatus:
        """One GET of /api/job; at a print's start and end one of the temperatures, too."""
        answer = mapping(await self._http.json("GET", "/api/job"))
        text = answer.get("state")
        if not isinstance(text, str):
            raise PrinterError(
                f"{self._http.base} is not OctoPrint: its answer has no state", "check the address"
            )
        file = mapping(mapping(answer.get("job")).get("file"))
        progress = mapping(answer.get("progress"))
        done = fraction(progress.get("completion"), 100.0)
        state = _state(text)
        if state is PrinterState.IDLE and file.get("path"):
            # After a print its file stays selected, with how far it came.
            if done is not None and done >= 1.0:
                state = PrinterState.FINISHED
            elif done:
                state = PrinterState.CANCELLED
        if state is PrinterState.PRINTING and (
            done is None or done < WARM_UP_PROGRESS or done > FINISHING_PROGRESS
        ):
            heaters = await self._temperatures()
            state = refined(state, progress=done, nozzles=_nozzles(heaters), bed=_target(heaters.get("bed")))
        name = file.get("display") or file.get("name")
        error = answer.get("error")
        return PrinterStatus(
            state,
            job=None,  # OctoPrint does not number its prints; `elapsed` going back tells the next one
            file=name if isinstance(name, str) else None,
            progress=done,
            elapsed=seconds(progress.get("printTime")),
            message=error if isinstance(error, str) else "" if state.in_print else text,
        )

    async def _temperatures(self) -> dict[str, Any]:
        """The newest temperatures by heater; empty where OctoPrint does not give them."""
        try:
            answer = await self._http.json("GET", "/api/printer", params={"exclude": "state,sd"})
        except PrinterError:
            return {}
        return {
            name: one for name, one in mapping(mapping(answer).get("temperature")).items() if mapping(one)
        }

    async def pause(self) -> None:
        """Pause the job; does nothing if it is paused."""
        await self._job({"command": "pause", "action": "pause"})

    async def resume(self) -> None:
        """Go on with the job; does nothing if it prints."""
        await self._job({"command": "pause", "action": "resume"})

    async def cancel(self) -> None:
        """Cancel the job."""
        await self._job({"command": "cancel"})

    async def gcode(self, lines: Sequence[str]) -> None:
        """Send lines of G-code between the print's own."""
        try:
            await self._http.json("POST", "/api/printer/command", body={"commands": list(lines)})
        except Refused as error:
            if error.status == 409:
                raise PrinterError(
                    "OctoPrint cannot run G-code: its printer is not connected", refused=True
                ) from None
            raise

    async def heaters_off(self) -> None:
        """M104 and M140 for every tool that OctoPrint knows of, the bed, and M141 for a chamber heater."""
        known = await self._temperatures()
        tools = [name for name in known if name.startswith("tool")]
        numbers = [name[4:] for name in tools if name[4:].isdigit()] or [str(n) for n in range(MAX_TOOLS)]
        lines = ["M104 S0", *(f"M104 T{number} S0" for number in numbers), "M140 S0"]
        if _target(known.get("chamber")):
            lines.append("M141 S0")
        await self.gcode(lines)

    async def heater_targets(self) -> Mapping[str, float]:
        """From /api/printer. Raises NotSupported if it does not give them."""
        targets = {name: _target(one) for name, one in (await self._temperatures()).items()}
        found = {name: target for name, target in targets.items() if target is not None}
        if not found:
            raise NotSupported("OctoPrint does not report temperatures", "give the key the permission STATUS")
        return found

    async def check_control(self) -> None:
        """Read the permissions of the key's user; without them, send a command that does not exist."""
        try:
            listed = mapping(await self._http.json("GET", "/api/currentuser")).get("permissions")
        except PrinterError:
            listed = None  # OctoPrint before 1.4
        if isinstance(listed, list):
            missing = [name for name in ("PRINT", "CONTROL") if name not in listed]
            if missing:
                raise PrinterSetupError(
                    f"this key of OctoPrint lacks the permission {' and '.join(missing)}", CONTROL_HINT
                )
            return
        try:
            await self._http.json("POST", "/api/job", body={"command": "none"})
        except ControlRefused:
            raise
        except Refused:
            return  # 400, no such command, or 409, no printer: this key would have been heard
        except PrinterError:
            raise NotSupported("OctoPrint does not say what this key may do") from None

    async def light(self, on: bool) -> None:
        """OctoPrint has no light of its own: give G-code for it. Raises NotSupported."""
        raise NotSupported("OctoPrint has no light of its own", "set light_on and light_off to G-code")

    async def _job(self, command: dict[str, str]) -> None:
        try:
            await self._http.json("POST", "/api/job", body=command)
        except Refused as error:
            if error.status == 409:
                raise PrinterError(
                    "OctoPrint has no print under way, or is busy with its printer (HTTP 409)", refused=True
                ) from None
            raise

    async def settings(self) -> dict[str, object]:
        """OctoPrint's settings, where its webcam is described."""
        return mapping(await self._http.json("GET", "/api/settings"))

    @property
    def base(self) -> str:
        """OctoPrint's address, without anything secret."""
        return self._http.base

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _target(temperature: object) -> Optional[float]:
    return degrees(mapping(temperature).get("target"))


def _nozzles(temperatures: Mapping[str, Any]) -> list[tuple[float, float]]:
    found = []
    for name, one in temperatures.items():
        actual, target = degrees(mapping(one).get("actual")), _target(one)
        if name.startswith("tool") and actual is not None and target is not None:
            found.append((actual, target))
    return found


def _state(text: str) -> PrinterState:
    lower = text.lower()
    for beginning, state in _STATES:
        if lower.startswith(beginning):
            return state
    return PrinterState.IDLE
