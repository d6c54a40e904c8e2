"""A print's life, read from what its printer says: begun, standing, going on, ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Optional

from layerwatch_watcher.printers.base import PrinterState, PrinterStatus

WENT_BACK_S = 30.0
"""A print time that falls by more belongs to another print. Below it, it is rounding."""
WENT_BACK_STANDING_S = 5.0
"""The same while the print was stopped and its time could not advance."""
WENT_BACK_PROGRESS = 0.1
"""Where a printer has no print time: progress that falls by more belongs to another print."""
STUCK_FLAG_S = 10.0
"""A print time that has grown by this much since the printer called the print paused shows that it prints."""
STILL_S = 12.0
"""A print time unchanged for this long has stopped. Printers are read every 5 s."""


class Step(Enum):
    """What has just happened to the print."""

    BEGUN = "begun"
    PRINTING = "printing"
    """It prints now: from the first layer on, and again after every halt."""
    STOOD = "stood"
    HEATING_AGAIN = "heating again"
    """It goes on after a halt, and heats or homes before it prints."""
    FINISHING = "finishing"
    """The last layer is done; what the camera sees now is parking and cooling."""
    ENDED = "ended"


@dataclass
class PauseFlag:
    """Finds out whether a print that is called paused prints all the same: its print time grows."""

    _last: Optional[float] = None
    _grown: float = 0.0
    _grew_at: float = 0.0

    def believed(self, status: PrinterStatus, now: float) -> PrinterStatus:
        """`status`, as PRINTING where its flag is stuck. now: seconds of any steady clock."""
        last, self._last = self._last, status.print_time
        if not status.state.standing or last is None or status.print_time is None:
            self._grown = 0.0
            return status
        if status.print_time > last:
            self._grown += status.print_time - last
            self._grew_at = now
        elif status.print_time < last or now - self._grew_at > STILL_S:
            self._grown = 0.0
        return replace(status, state=PrinterState.PRINTING) if self._grown >= STUCK_FLAG_S else status


@dataclass
class PrintLife:
    """Follows one printer from print to print.

    last: the newest status of a printer that was there.  printing: layers are being printed now.
    """

    last: Optional[PrinterStatus] = None
    printing: bool = False
    _finishing: bool = field(default=False, repr=False)

    @property
    def in_print(self) -> bool:
        """Whether a print is believed to be under way."""
        return self.last is not None and self.last.state.in_print

    def follow(self, status: PrinterStatus) -> list[Step]:
        """What has happened since the last status, in order. Offline is not an end: hosts lose printers."""
        before, self.last = self.last, status
        if status.state is PrinterState.OFFLINE:
            self.last = before
            return []
        was_in = before is not None and before.state.in_print
        steps: list[Step] = []
        if was_in and (not status.state.in_print or _is_another(before, status)):
            steps.append(Step.ENDED)
            self.printing = self._finishing = was_in = False
        if status.state.in_print and not was_in:
            steps.append(Step.BEGUN)
        stood = was_in and before is not None and before.state.standing
        if status.state is PrinterState.PRINTING and not self.printing:
            steps.append(Step.PRINTING)
            self.printing, self._finishing = True, False
        elif status.state.standing and not stood:
            steps.append(Step.STOOD)
            self.printing = self._finishing = False
        elif status.state is PrinterState.PREPARING and stood:
            steps.append(Step.HEATING_AGAIN)
        elif status.state is PrinterState.FINISHING and not self._finishing:
            steps.append(Step.FINISHING)
            self.printing, self._finishing = False, True
        return steps


def _is_another(before: Optional[PrinterStatus], now: PrinterStatus) -> bool:
    if before is None:
        return False
    if before.job is not None and now.job is not None:
        return before.job != now.job
    if before.file is not None and now.file is not None and before.file != now.file:
        return True
    stood = before.state.standing
    if before.elapsed is not None and now.elapsed is not None:
        return before.elapsed - now.elapsed > (WENT_BACK_STANDING_S if stood else WENT_BACK_S)
    fell = before.progress is not None and before.progress - (now.progress or 0.0) > WENT_BACK_PROGRESS
    if before.elapsed is None:
        return fell
    # A print that has only just begun has no print time yet: the one that had some is over.
    begun_anew = now.state in (PrinterState.PRINTING, PrinterState.PREPARING) and (fell or not now.progress)
    return begun_anew and before.elapsed > WENT_BACK_STANDING_S
