"""Reads a printer's state so that it can be believed: in time, fresh, and with stuck flags seen through."""

from __future__ import annotations

import asyncio

from layerwatch_sdk.clock import AsyncClock
from layerwatch_watcher.printers.base import Printer, PrinterError, PrinterState, PrinterStatus
from layerwatch_watcher.waiting import within
from layerwatch_watcher.watching.print_lifecycle import PauseFlag

STATUS_DEADLINE_S = 25.0
"""A printer that has not answered by then does not answer."""
FRESH_S = 60.0
"""A report that is older says nothing of the printer as it is now."""


class StatusReader:
    """Reads one printer."""

    def __init__(self, printer: Printer, clock: AsyncClock) -> None:
        self._printer = printer
        self._clock = clock
        self._flag = PauseFlag()

    async def read(self) -> PrinterStatus:
        """The printer's state now. Raises PrinterError, also if its last report is stale."""
        try:
            status = await within(self._printer.status(), STATUS_DEADLINE_S, self._clock)
        except asyncio.TimeoutError:
            raise PrinterError(
                f"the printer has not answered for {STATUS_DEADLINE_S:g} s",
                "see that its host is not overloaded",
            ) from None
        if status.age > FRESH_S:
            raise PrinterError(
                f"the printer is connected, but has reported nothing for {status.age:.0f} s",
                "restart the printer's network connection, or the printer after the print",
            )
        return self._flag.believed(status, self._clock.monotonic())


def missing(status: PrinterStatus) -> str:
    """Why a state says nothing of the print, in words; empty if it does."""
    if status.state is not PrinterState.OFFLINE:
        return ""
    return f"the printer's host has lost the printer ({status.message or 'offline'})"
