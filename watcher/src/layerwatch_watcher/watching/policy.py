"""What to do when a print fails. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Optional, Tuple


class Action(str, Enum):  # noqa: UP042 - StrEnum came with Python 3.11
    """What can be done."""

    NOTIFY = "notify"
    PAUSE = "pause"
    CANCEL = "cancel"
    GCODE = "gcode"
    COMMAND = "command"


STOPS = (Action.PAUSE, Action.CANCEL)
"""Actions that end what the camera sees. They must not be lost, and not be done twice."""


class BeforePrint(str, Enum):  # noqa: UP042 - StrEnum came with Python 3.11
    """What to do about the bed before a print."""

    OFF = "off"
    WARN = "warn unless clear bed"
    REQUIRE = "require clear bed"


@dataclass(frozen=True)
class Policy:
    """What to do on a warning and when a pause is suggested.

    gcode: lines for the action `gcode`.  command: program and arguments for the action `command`.
    heaters_off_after: seconds after our pause until the heaters go off, or None to leave them on.
    dry_run: tell and log what would be done, and do nothing to the printer.
    before_print: whether the bed is checked before a print, and the print held while it is not clear.
    """

    on_warning: Tuple[Action, ...] = (Action.NOTIFY,)
    on_pause: Tuple[Action, ...] = (Action.NOTIFY, Action.PAUSE)
    gcode: Tuple[str, ...] = ()
    command: Tuple[str, ...] = ()
    heaters_off_after: Optional[float] = None
    dry_run: bool = False
    before_print: BeforePrint = BeforePrint.OFF
