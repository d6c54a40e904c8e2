"""What every printer is to the watcher: it tells how the print goes, and it can be stopped.

Exceptions::

    PrinterError             it did not work this time; the message says why, `hint` what to try
    ├── PrinterSetupError    it will not work until somebody changes the configuration
    └── NotSupported         this kind of printer has no such thing
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Optional, Protocol


class PrinterError(Exception):
    """It did not work this time. `str()` says what happened, `hint` what the user can do about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class PrinterSetupError(PrinterError):
    """The printer cannot be reached as it is configured; trying again does not help."""


class NotSupported(PrinterError):
    """This kind of printer has no such thing."""


class PrinterState(str, Enum):  # noqa: UP042 - StrEnum came with Python 3.11
    """Where in a print's life the printer is."""

    IDLE = "idle"
    PREPARING = "preparing"
    """Heating, levelling, homing: a job is under way, but nothing is printed yet."""
    PRINTING = "printing"
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
        return self in (self.PREPARING, self.PRINTING, self.PAUSED, self.ATTENTION)

    @property
    def standing(self) -> bool:
        """True while a print is interrupted, by whom or what ever."""
        return self in (self.PAUSED, self.ATTENTION)


@dataclass(frozen=True)
class PrinterStatus:
    """What the printer says of itself now.

    job: differs between two prints where the printer tells them apart, else None.
    file: the name of what is printed.  progress: 0..1.  elapsed: seconds printing.
    message: the printer's own words, where it has any.
    """

    state: PrinterState
    job: Optional[str] = None
    file: Optional[str] = None
    progress: Optional[float] = None
    elapsed: Optional[float] = None
    message: str = ""


class Printer(Protocol):
    """A printer. Implementations need no base class. All calls raise PrinterError."""

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

    async def light(self, on: bool) -> None:
        """Switch the printer's own light."""
        ...

    async def close(self) -> None:
        """Give back connections. Safe to call twice."""
        ...


HEATERS_OFF = ("M104 S0", "M140 S0")
"""Hotend and bed off, in the G-code that every firmware understands."""


def fraction(value: object, whole: float = 1.0) -> Optional[float]:
    """`value` of `whole` as 0..1, or None if it is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return min(1.0, max(0.0, float(value) / whole))


def seconds(value: object) -> Optional[float]:
    """`value` as seconds, or None if it is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return max(0.0, float(value))
