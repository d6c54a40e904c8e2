"""What to do when a print fails, and when to leave it alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Optional, Tuple

from layerwatch_sdk.models import Inspection

CLEAR_LOOKS = 3
"""Looks in a row without a warning after which what was there counts as gone. At the service's usual pace
that is one to two minutes; a shorter time would take a hand before the camera for the end of a failure."""


class Action(str, Enum):  # noqa: UP042 - StrEnum came with Python 3.11
    """What can be done."""

    NOTIFY = "notify"
    PAUSE = "pause"
    CANCEL = "cancel"
    GCODE = "gcode"
    COMMAND = "command"


STOPS = (Action.PAUSE, Action.CANCEL)
"""Actions that end what the camera sees. They must not be lost, and not be done twice."""


@dataclass(frozen=True)
class Policy:
    """What to do on a warning and when a pause is suggested.

    gcode: lines for the action `gcode`.  command: program and arguments for the action `command`.
    heaters_off_after: seconds after our pause until the heaters go off, or None to leave them on.
    dry_run: tell and log what would be done, and do nothing to the printer.
    """

    on_warning: Tuple[Action, ...] = (Action.NOTIFY,)
    on_pause: Tuple[Action, ...] = (Action.NOTIFY, Action.PAUSE)
    gcode: Tuple[str, ...] = ()
    command: Tuple[str, ...] = ()
    heaters_off_after: Optional[float] = None
    dry_run: bool = False


class Alarm(Enum):
    """The alarm level of an inspection."""

    WARNING = "warning"
    PAUSE = "pause"


@dataclass
class AlarmLatch:
    """Lets each thing alarm once: a warning once, a pause once, until it has been gone for a while.

    After the user has gone on in spite of a pause, or called it a false alarm, the same thing stays quiet.
    """

    warned: bool = False
    acted: bool = False
    clear: int = 0

    def alarm(self, inspection: Inspection, *, usable: bool = True) -> Optional[Alarm]:
        """The alarm that is due now, if any. usable: False for a picture that could not be judged."""
        if not inspection.warning_suggested and not inspection.pause_suggested:
            self.clear += usable  # a picture that shows nothing does not show that it is gone
            if self.clear >= CLEAR_LOOKS:
                self.warned = self.acted = False
            return None
        self.clear = 0
        if inspection.pause_suggested and not self.acted:
            self.acted = self.warned = True
            return Alarm.PAUSE
        if inspection.warning_suggested and not self.warned:
            self.warned = True
            return Alarm.WARNING
        return None

    def not_done(self) -> None:
        """The pause failed: let the next inspection try again."""
        self.acted = False

    def quiet(self) -> None:
        """A person has checked the print: the current condition is known."""
        self.warned = self.acted = True
        self.clear = 0
