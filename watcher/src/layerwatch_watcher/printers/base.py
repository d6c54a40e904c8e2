"""What every printer is to the watcher: it says how the print goes, and it can be stopped.

Exceptions::

    PrinterError             it did not work this time; the message says why, `hint` what to try
    ├── PrinterSetupError    it will not work until somebody changes the configuration
    └── NotSupported         this kind of printer has no such thing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Optional, Protocol


class PrinterError(Exception):
    """It did not work this time. `str()` says what happened, `hint` what the user can do about it.

    refused: whether the printer answered no, so that a command was surely not carried out. After a time-out
        or a broken connection it may have been.
    """

    def __init__(self, what: str, hint: str = "", *, refused: bool = False) -> None:
        super().__init__(what)
        self.hint = hint
        self.refused = refused


class PrinterSetupError(PrinterError):
    """The printer cannot be used as it is configured; trying again does not help."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint, refused=True)


class NotSupported(PrinterError):
    """This kind of printer has no such thing."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint, refused=True)


class PrinterState(str, Enum):  # noqa: UP042 - StrEnum came with Python 3.11
    """Where in a print's life the printer is."""

    IDLE = "idle"
    PREPARING = "preparing"
    """Heating, levelling, homing, purging: a job is under way, but its first layer has not begun."""
    PRINTING = "printing"
    FINISHING = "finishing"
    """The last layer is done: the end G-code parks the head, cools down, pushes the bed out."""
    PAUSED = "paused"
    ATTENTION = "attention"
    """Paused because it wants a person: filament runout or change, an open door, a question on its screen."""
    FINISHED = "finished"
    CANCELLED = "cancelled"
    ERROR = "error"
    OFFLINE = "offline"
    """The host answers, but the printer behind it does not."""

    @property
    def in_print(self) -> bool:
        """True between a print's start and its end, pauses included."""
        return self in (self.PREPARING, self.PRINTING, self.FINISHING, self.PAUSED, self.ATTENTION)

    @property
    def standing(self) -> bool:
        """True while a print is interrupted, for whatever reason."""
        return self in (self.PAUSED, self.ATTENTION)


@dataclass(frozen=True)
class PrinterStatus:
    """What the printer says of itself now.

    job: differs between two prints where the printer tells them apart, else None.
    file: the name of what is printed.  progress: 0..1.  elapsed: seconds since the print began.
    print_time: seconds of printing, which do not grow during a pause; only where the printer's flags disagree
        on whether it is paused, so that this tells.
    layer: 1 for the first.  layers: in all.
    message: the printer's own words, where it has any.
    age: seconds since the printer itself reported it; 0 where it was asked just now.
    """

    state: PrinterState
    job: Optional[str] = None
    file: Optional[str] = None
    progress: Optional[float] = None
    elapsed: Optional[float] = None
    message: str = ""
    print_time: Optional[float] = None
    layer: Optional[int] = None
    layers: Optional[int] = None
    age: float = 0.0


class Printer(Protocol):
    """A printer. Implementations need no base class. All calls raise PrinterError.

    A command's return says that the printer accepted it, not that it was carried out: read `status` for that.
    """

    async def status(self) -> PrinterStatus:
        """How the print goes."""
        ...

    async def pause(self) -> None:
        """Pause the print. Pausing a paused print does nothing."""
        ...

    async def resume(self) -> None:
        """Go on with a paused print."""
        ...

    async def cancel(self) -> None:
        """End the print for good."""
        ...

    async def gcode(self, lines: Sequence[str]) -> None:
        """Run G-code."""
        ...

    async def heaters_off(self) -> None:
        """Switch every tool and the bed off."""
        ...

    async def heater_targets(self) -> Mapping[str, float]:
        """What each heater is set to, °C, by its name. Raises NotSupported where the printer does not say."""
        ...

    async def check_control(self) -> None:
        """Raise PrinterError if this login may read but not pause. Does nothing to the print.

        Raises NotSupported where the printer does not say what a login may do.
        """
        ...

    async def light(self, on: bool) -> None:
        """Switch the printer's own light."""
        ...

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        ...


HEATING_MARGIN_C = 10.0
"""A nozzle that is colder than its target by more is still heating."""
EXTRUDING_C = 150.0
"""No filament is printed below this."""
WARM_UP_PROGRESS = 0.02
"""Heating counts as preparation up to here; later a tool change does that, too."""
FINISHING_PROGRESS = 0.9
"""A nozzle that is switched off from here on ends the print."""


def refined(
    state: PrinterState,
    *,
    progress: Optional[float],
    nozzles: Sequence[tuple[float, float]] = (),
    bed: Optional[float] = None,
    layer: Optional[int] = None,
) -> PrinterState:
    """`state`, with PREPARING and FINISHING where the printer calls a start or an end printing, too.

    nozzles: temperature and target of each, °C; none where it is not known.  bed: the bed's target, °C.
    layer: 0 before the first layer; None where it is not known.
    """
    if state is not PrinterState.PRINTING:
        return state
    done = progress or 0.0
    targets = [target for _, target in nozzles]
    if done < WARM_UP_PROGRESS:
        cold = any(target > 0 and now < target - HEATING_MARGIN_C for now, target in nozzles)
        # Many heat the bed first. With every heater off it is a dry run, or a machine that melts nothing.
        unheated = bool(nozzles) and bool(bed) and all(now < EXTRUDING_C for now, _ in nozzles)
        if cold or unheated or layer == 0:
            return PrinterState.PREPARING
    if done >= 1.0 or (done >= FINISHING_PROGRESS and targets and max(targets) <= 0):
        return PrinterState.FINISHING
    return state


def fraction(value: object, whole: float = 1.0) -> Optional[float]:
    """`value` of `whole` as 0..1, or None if it is not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return min(1.0, max(0.0, float(value) / whole))


def seconds(value: object) -> Optional[float]:
    """`value` as seconds, or None if it is not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return max(0.0, float(value))


def count(value: object) -> Optional[int]:
    """`value` as a count, 0 or more; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        return None
    return int(value)


def degrees(value: object) -> Optional[float]:
    """`value` as °C, or None if it is not a number."""
    return None if isinstance(value, bool) or not isinstance(value, (int, float)) else float(value)
