"""Duet boards with RepRapFirmware 3, standalone or behind a single-board computer (DSF).

Standalone boards speak `rr_…` requests, DSF speaks `/machine/…`; both tell the same object model. Which one
it is, is found at the first call. Source: the wiki "HTTP requests" of RepRapFirmware, and DSF's OpenAPI.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Awaitable, Callable, Optional, TypeVar

import httpx

from layerwatch_watcher.printers.base import (
    NotSupported,
    PrinterError,
    PrinterSetupError,
    PrinterState,
    PrinterStatus,
    count,
    degrees,
    fraction,
    refined,
    seconds,
)
from layerwatch_watcher.printers.http import PrinterHttp, Refused, mapping

T = TypeVar("T")

DEFAULT_PASSWORD = "reprap"
"""RepRapFirmware's own, where M551 sets none."""

_STATES = {
    "disconnected": PrinterState.OFFLINE,
    "starting": PrinterState.OFFLINE,
    "updating": PrinterState.OFFLINE,
    "off": PrinterState.OFFLINE,
    "halted": PrinterState.ERROR,
    "pausing": PrinterState.PAUSED,
    "paused": PrinterState.PAUSED,
    "resuming": PrinterState.PAUSED,
    "cancelling": PrinterState.CANCELLED,
    "processing": PrinterState.PRINTING,
    "simulating": PrinterState.IDLE,
    "busy": PrinterState.IDLE,
    "changingTool": PrinterState.PRINTING,
    "idle": PrinterState.IDLE,
}


class Duet:
    """A Duet.

    password: the one of M551.
    """

    def __init__(
        self,
        url: str,
        password: str = DEFAULT_PASSWORD,
        *,
        client: Optional[httpx.AsyncClient] = None,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        self._http = PrinterHttp(
            "a Duet", url, client=client, tls=tls, login_hint="check the password (M551)"
        )
        self._password = password
        self._standalone: Optional[bool] = None
        self._session: dict[str, str] = {}

    async def status(self) -> PrinterStatus:
        """The parts `state` and `job` of the object model."""
        state_part, job_part = await self._model()
        text = str(state_part.get("status"))
        state = _STATES.get(text, PrinterState.IDLE)
        file = mapping(job_part.get("file"))
        name = file.get("fileName")
        if state is PrinterState.IDLE and name and text == "busy":
            state = PrinterState.PREPARING
        if state is PrinterState.PAUSED and state_part.get("messageBox"):
            state = PrinterState.ATTENTION
        if state is PrinterState.IDLE and not name and job_part.get("lastFileName"):
            name = job_part["lastFileName"]
            ended_early = job_part.get("lastFileCancelled") or job_part.get("lastFileAborted")
            state = PrinterState.CANCELLED if ended_early else PrinterState.FINISHED
        size, at = file.get("size"), job_part.get("filePosition")
        done = fraction(at, float(size)) if isinstance(size, (int, float)) and size > 0 else None
        box = mapping(state_part.get("messageBox"))
        layer, layers = count(job_part.get("layer")), count(file.get("numLayers"))
        return PrinterStatus(
            refined(state, progress=done, layer=layer if layers else None),
            file=str(name).rsplit("/", 1)[-1] if name else None,
            progress=done,
            elapsed=seconds(job_part.get("duration")),
            message=str(box.get("message") or ""),
            layer=layer or None,
            layers=layers or None,
        )

    async def _part(self, key: str) -> Any:
        """One part of the object model."""
        if await self._is_standalone():
            return mapping(await self._standalone_call("/rr_model", {"key": key})).get("result")
        model = await self._board(lambda: self._http.json("GET", "/machine/status", headers=self._session))
        return mapping(model).get(key)

    async def _model(self) -> tuple[dict[str, Any], dict[str, Any]]:
        if await self._is_standalone():
            state = mapping(await self._standalone_call("/rr_model", {"key": "state"}))
            job = mapping(await self._standalone_call("/rr_model", {"key": "job"}))
            return mapping(state.get("result")), mapping(job.get("result"))
        model = mapping(
            await self._board(lambda: self._http.json("GET", "/machine/status", headers=self._session))
        )
        return mapping(model.get("state")), mapping(model.get("job"))

    async def _is_standalone(self) -> bool:
        if self._standalone is None:
            try:
                await self._connect_standalone()
                self._standalone = True
            except Refused as error:
                if error.status != 404:
                    raise
                await self._connect_board()
                self._standalone = False
        return self._standalone

    async def _connect_standalone(self) -> None:
        params = {"password": self._password, "sessionKey": "yes"}
        answer = mapping(await self._http.json("GET", "/rr_connect", params=params))
        code = answer.get("err")
        if code == 1:
            raise PrinterSetupError("the Duet refuses the password", "it is the one set by M551 in config.g")
        if code == 2:
            raise PrinterError("the Duet has no free session", "close browser tabs that show its web page")
        if code != 0:
            raise PrinterError(f"{self._http.base} is not a Duet: its answer has no err", "check the address")
        key = answer.get("sessionKey")
        self._session = {"X-Session-Key": str(key)} if key is not None else {}

    async def _connect_board(self) -> None:
        answer = mapping(
            await self._http.json("GET", "/machine/connect", params={"password": self._password})
        )
        key = answer.get("sessionKey")
        self._session = {"X-Session-Key": str(key)} if key is not None else {}

    async def _standalone_call(self, path: str, params: dict[str, str]) -> Any:
        try:
            return await self._http.json("GET", path, params=params, headers=self._session)
        except PrinterSetupError:  # the session has timed out: 8 s without a request do that
            await self._connect_standalone()
            return await self._http.json("GET", path, params=params, headers=self._session)

    async def _board(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except PrinterSetupError:
            await self._connect_board()
            return await call()

    async def pause(self) -> None:
        """M25."""
        if not (await self.status()).state.standing:
            await self.gcode(["M25"])

    async def resume(self) -> None:
        """M24."""
        await self.gcode(["M24"])

    async def cancel(self) -> None:
        """M25, if it is not paused yet, then M0, which cancels a paused print."""
        if not (await self.status()).state.standing:
            await self.gcode(["M25"])
        await self.gcode(["M0"])

    async def gcode(self, lines: Sequence[str]) -> None:
        """Run G-code."""
        if await self._is_standalone():
            await self._standalone_call("/rr_gcode", {"gcode": "\n".join(lines)})
        else:
            # DSF answers with the code's own words, as plain text.
            await self._board(
                lambda: self._http.text(
                    "POST", "/machine/code", content="\n".join(lines), headers=self._session
                )
            )

    async def heaters_off(self) -> None:
        """Every tool, bed and chamber heater of the object model; where it lists none, M104 and M140."""
        heat, tools = mapping(await self._part("heat")), _list(await self._part("tools"))
        numbers = [mapping(tool).get("number") for tool in tools]
        lines = [f"M568 P{number} R0 S0 A0" for number in numbers if isinstance(number, int)]
        lines += [
            f"M140 P{n} S-273.1" for n, heater in enumerate(_list(heat.get("bedHeaters"))) if heater != -1
        ]
        lines += [
            f"M141 P{n} S-273.1" for n, heater in enumerate(_list(heat.get("chamberHeaters"))) if heater != -1
        ]
        await self.gcode(lines or ["M104 S0", "M140 S0"])

    async def heater_targets(self) -> Mapping[str, float]:
        """Of each heater: its active or standby temperature, 0 where it is off. Raises NotSupported."""
        heaters = _list(mapping(await self._part("heat")).get("heaters"))
        targets = {f"heater {n}": _target(mapping(heater)) for n, heater in enumerate(heaters) if heater}
        if not targets:
            raise NotSupported("the Duet reports no heaters")
        return targets

    async def check_control(self) -> None:
        """A Duet's password gives every right. Raises NotSupported."""
        raise NotSupported("a Duet's password gives every right")

    async def light(self, on: bool) -> None:
        """A Duet's lights hang on G-code. Raises NotSupported."""
        raise NotSupported("a Duet's light is switched by G-code", "set light_on and light_off to G-code")

    @property
    def base(self) -> str:
        """The Duet's address, without anything secret."""
        return self._http.base

    async def close(self) -> None:
        """End the session, so that it does not take up one of the Duet's few."""
        if self._standalone is not None:
            path = "/rr_disconnect" if self._standalone else "/machine/disconnect"
            with contextlib.suppress(PrinterError):  # the session times out by itself
                await self._http.json("GET", path, headers=self._session)
            self._standalone = None
        await self._http.close()


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _target(heater: Mapping[str, Any]) -> float:
    """What a heater of the object model is set to, °C."""
    state = heater.get("state")
    set_to = heater.get("active") if state in ("active", "tuning") else heater.get("standby")
    return max(0.0, degrees(set_to) or 0.0) if state in ("active", "standby", "tuning") else 0.0
