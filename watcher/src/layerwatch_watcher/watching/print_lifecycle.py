"""A print's life, read from what its printer says: begun, standing, going on, ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Optional

from layerwatch_watcher.printers.base import PrinterState, PrinterStatus

WENT_BACK = 30.0
"""A print time that falls by more seconds than this belongs to another print. Below it, it is rounding."""


class Step(Enum):
    """What has just happened to the print."""

    BEGUN = "begun"
    PRINTING = "printing"
    """It prints now: from the first extrusion on, and again after every halt."""
    STOOD = "stood"
    ENDED = "ended"


@dataclass
class PrintLife:
    """Follows one printer from print to print."""

    last: Optional[PrinterStatus] = None
    printing: bool = False

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
            self.printing = False
            was_in = False
        if status.state.in_print and not was_in:
            steps.append(Step.BEGUN)
        if status.state is PrinterState.PRINTING and not self.printing:
            steps.append(Step.PRINTING)
            self.printing = True
        elif status.state.standing and (self.printing or Step.BEGUN in steps):
            steps.append(Step.STOOD)
            self.printing = False
        return steps


def _is_another(before: Optional[PrinterStatus], now: PrinterStatus) -> bool:
    if before is None:
        return False
    if before.job is not None and now.job is not None:
        return before.job != now.job
    if before.file is not None and now.file is not None and before.file != now.file:
        return True
    if before.elapsed is None or now.elapsed is None:
        return False
    return before.elapsed - now.elapsed > WENT_BACK
