"""The heaters of a print that stands by our pause go off when nobody comes: ordered, read back, reported."""

from __future__ import annotations

from typing import Callable

from layerwatch_sdk.clock import AsyncClock
from layerwatch_watcher.notifications.event import Kind
from layerwatch_watcher.printers.base import NotSupported
from layerwatch_watcher.watching import actions
from layerwatch_watcher.watching.action_log import WATCHER, ActionLog
from layerwatch_watcher.watching.actions import ActionFailed
from layerwatch_watcher.watching.watch_state import Phase, WatchState
from layerwatch_watcher.watching.watched import Watched

REASON = "no one has resumed the print since our pause"


class HeaterShutoff:
    """The heaters of one printer. report: given a kind of event, a title and a text."""

    def __init__(
        self,
        watched: Watched,
        clock: AsyncClock,
        journal: ActionLog,
        report: Callable[[Kind, str, str], None],
    ) -> None:
        self._name = watched.name
        self._printer = watched.printer
        self._clock = clock
        self._journal = journal
        self._report = report

    async def run(self, state: WatchState) -> bool:
        """Switch the heaters off, if that is due; a failure is reported once. True if done."""
        due, now = state.heaters_off_at, self._clock.monotonic()
        if due is None or state.phase is not Phase.PAUSED or now < due or not state.heating.due(now):
            return False
        try:
            targets = await actions.heaters_off(self._printer, self._clock)
        except ActionFailed as error:
            if isinstance(error.__cause__, NotSupported):
                state.heaters_off_at = None
            if state.heating.failed(self._clock.monotonic()):
                self._failed(error)
            return False
        state.heaters_off_at = None
        self._journal.write(self._name, "heaters off", who=WATCHER, why=REASON, confirmed=targets is not None)
        if targets is None:
            title = f"{self._name}: all heaters were ordered off"
            text = f"{REASON}; the printer does not report its targets, so this is not confirmed"
        else:
            title = f"{self._name}: the heaters are off"
            text = f"{REASON}; read back: {', '.join(f'{name} 0 °C' for name in targets)}"
        self._report(Kind.HEATERS_OFF, title, text)
        return True

    def _failed(self, error: ActionFailed) -> None:
        self._journal.write(
            self._name, "heaters off", who=WATCHER, why=REASON, failed=str(error), hint=error.hint or None
        )
        still = "the heaters are still on" if error.known else "it is not known whether the heaters are off"
        text = f"{error}. {error.hint}" if error.hint else str(error)
        self._report(Kind.ACTION_FAILED, f"{self._name}: {still}", text)
