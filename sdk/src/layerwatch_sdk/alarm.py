"""When an inspection is an alarm: once for each thing, not at every look. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Optional

from layerwatch_sdk.models import Inspection

CLEAR_AFTER_INSPECTIONS = 3
"""Consecutive inspections without a warning after which an alarm is over. At the usual interval that is one
to two minutes; with fewer, a hand in front of the camera would end the alarm."""


class Alarm(Enum):
    """What an inspection calls for."""

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
            if self.clear >= CLEAR_AFTER_INSPECTIONS:
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
        """The pause did not work: let the next inspection try again."""
        self.acted = False

    def quiet(self) -> None:
        """A person has looked: what is there now is known."""
        self.warned = self.acted = True
        self.clear = 0
