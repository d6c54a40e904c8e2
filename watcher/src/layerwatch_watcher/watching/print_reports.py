"""Reports on one printer's prints: events in words, and lines of the action log."""

from __future__ import annotations

from typing import Callable, Optional

from layerwatch_watcher.notifications.event import Event, Kind
from layerwatch_watcher.printers.base import PrinterState, PrinterStatus
from layerwatch_watcher.watching.action_log import AT_THE_PRINTER, WATCHER, ActionLog
from layerwatch_watcher.watching.policy import Action
from layerwatch_watcher.watching.print_session import Look


class PrintReports:
    """Reports on the printer called `name`. status: its last report.  tell: is given every event."""

    def __init__(
        self,
        name: str,
        journal: ActionLog,
        tell: Callable[[Event], None],
        status: Callable[[], Optional[PrinterStatus]],
    ) -> None:
        self._name = name
        self._journal = journal
        self._tell = tell
        self._status = status

    def event(
        self,
        kind: Kind,
        title: str,
        text: str = "",
        look: Optional[Look] = None,
        picture: Optional[bytes] = None,
    ) -> None:
        """Send an event. look: what was seen then.  picture: another one to show."""
        status = self._status()
        self._tell(
            Event(
                kind,
                self._name,
                title,
                text,
                file=status.file if status else None,
                progress=status.progress if status else None,
                inspection=look.inspection if look else None,
                picture=look.picture if look else picture,
            )
        )

    def begun(self, file: Optional[str]) -> None:
        """A new print begins."""
        self._journal.write(self._name, "print begun", who=AT_THE_PRINTER, why="a new print", file=file)
        self.event(Kind.PRINT_STARTED, f"{self._name} has started {file or 'a print'}")

    def continued(self, file: Optional[str]) -> None:
        """A print that was watched before a restart is watched again."""
        self._journal.write(
            self._name, "watching continues", who=WATCHER, why="restarted in mid-print", file=file
        )

    def resumed(self) -> None:
        """A person has gone on with a print that stood by our pause."""
        self._journal.write(
            self._name,
            "resumed",
            who=AT_THE_PRINTER,
            why="resumed after our pause; the same will not pause it again",
        )
        self.event(Kind.RESUMED, f"{self._name} is printing again")

    def stands(self, status: PrinterStatus) -> None:
        """The print stands, but not by our pause."""
        why = "needs attention" if status.state is PrinterState.ATTENTION else "paused"
        self._journal.write(self._name, "stands", who=AT_THE_PRINTER, why=why, message=status.message or None)

    def paused_late(self, seconds: float, *, bed: bool) -> None:
        """A pause was carried out after its order had timed out. bed: it was for a bed that is not clear."""
        why = f"it paused {seconds:.0f} s after the pause was ordered"
        self._journal.write(self._name, Action.PAUSE.value, who=WATCHER, why=why)
        kind = Kind.BED_NOT_CLEAR if bed else Kind.PAUSED
        title = f"{self._name} waits: its bed is not clear" if bed else f"{self._name} was paused"
        self.event(kind, title, why)

    def ended(self, status: PrinterStatus, *, cancelled_by_us: bool) -> None:
        """The print is over."""
        finished = status.state is PrinterState.FINISHED
        how = "finished" if finished else "cancelled" if status.state is PrinterState.CANCELLED else "ended"
        self._journal.write(
            self._name,
            f"print {how}",
            who=WATCHER if cancelled_by_us and not finished else AT_THE_PRINTER,
            why=status.state.value,
            message=status.message or None,
        )
        kind = Kind.PRINT_FINISHED if finished else Kind.PRINT_ENDED
        title = f"{self._name}: the print has {'finished' if finished else 'ended'}"
        self.event(kind, title, status.message)

    def verdict(self, verdict: str, who: str) -> None:
        """A person says something of the print, one of `VERDICTS`."""
        self._journal.write(self._name, verdict.replace("_", " "), who=who, why="reported by a person")

    def switched(self, enabled: bool, who: str) -> None:
        """A person switched the watching on or off."""
        self._journal.write(
            self._name, f"watching {'on' if enabled else 'off'}", who=who, why="switched by a person"
        )
