"""OctoPrint, through its REST API (docs.octoprint.org, "Job operations" and "Printer operations")."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Optional

import httpx

from layerwatch_watcher.printers.base import (
    NotSupported,
    PrinterError,
    PrinterSetupError,
    PrinterState,
    PrinterStatus,
    fraction,
    seconds,
)
from layerwatch_watcher.printers.http import PrinterHttp, Refused, mapping

# The texts of /api/job's `state`, in lower case, by their beginnings; the longer ones first.
_STATES = (
    ("printing", PrinterState.PRINTING),
    ("resuming", PrinterState.PAUSED),
    ("pausing", PrinterState.PAUSED),
    ("paused", PrinterState.PAUSED),
    ("finishing", PrinterState.PRINTING),
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
        )

    async def status(self) -> PrinterStatus:
        """One GET of /api/job."""
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
                raise PrinterError("OctoPrint takes no G-code: its printer is not connected") from None
            raise

    async def light(self, on: bool) -> None:
        """OctoPrint has no light of its own: give G-code for it. Raises NotSupported."""
        raise NotSupported("OctoPrint has no light of its own", "set light_on and light_off to G-code")

    async def _job(self, command: dict[str, str]) -> None:
        try:
            await self._http.json("POST", "/api/job", body=command)
        except Refused as error:
            if error.status == 409:
                raise PrinterError("OctoPrint has no print under way") from None
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


def _state(text: str) -> PrinterState:
    lower = text.lower()
    for beginning, state in _STATES:
        if lower.startswith(beginning):
            return state
    return PrinterState.IDLE
